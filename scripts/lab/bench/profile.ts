/** Where a process spent its time, from the CPU profiles that Node writes with --cpu-prof. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

type Profile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
};
export type Place = { where: string; milliseconds: number; share: number };

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Time in which the process waited; not counted as work. */
const idle = new Set(["(idle)", "(root)", "(program)"]);

/** A library's functions count as the library's. */
function nameOf(
  { functionName, url, lineNumber }: Profile["nodes"][number]["callFrame"],
  byModule: boolean,
): string {
  if (url === "") return functionName;
  const path = url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url;
  const [, library] = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  if (byModule) return library ?? path;
  return `${functionName || "(anonymous)"}  ${library === undefined ? path : path.slice(path.lastIndexOf(`node_modules/${library}`) + 13)}:${lineNumber + 1}`;
}

/**
 * The places with the most self time over all profiles in a folder: by function, and by module or
 * library.
 */
export function readProfiles(folder: string): { functions: Place[]; modules: Place[] } {
  const own = [new Map<string, number>(), new Map<string, number>()] as const;
  let total = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
    const { nodes, samples, timeDeltas } = JSON.parse(
      readFileSync(join(folder, file), "utf8"),
    ) as Profile;
    const frames = new Map(nodes.map((node) => [node.id, node.callFrame]));
    samples.forEach((sample, i) => {
      const frame = frames.get(sample);
      if (!frame || idle.has(frame.functionName)) return;
      const milliseconds = (timeDeltas[i] ?? 0) / 1_000;
      total += milliseconds;
      own.forEach((places, byModule) => {
        const name = nameOf(frame, byModule === 1);
        places.set(name, (places.get(name) ?? 0) + milliseconds);
      });
    });
  }
  const [functions, modules] = own.map((places) =>
    [...places]
      .sort(([, a], [, b]) => b - a)
      .map(
        ([where, milliseconds]): Place => ({ where, milliseconds, share: milliseconds / total }),
      ),
  );
  return { functions: functions ?? [], modules: modules ?? [] };
}
