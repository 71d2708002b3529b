/** The picture of the floors in docs/architecture.md, drawn from the imports (Mermaid). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { contentsOf, type Room, roomOf, rooms } from "./floors.ts";
import { importsOf, targetOf } from "./imports.ts";
import { root } from "./run.ts";

/** `from` imports `to`. */
export type Arrow = { from: Room; to: Room };

/** Every pair of rooms of which the first imports the second. Throws when a file stands in no room. */
export function arrows(): Arrow[] {
  const found = new Map<string, Arrow>();
  const tops = new Set(rooms.map(({ path }) => path.split("/")[0] as string));
  for (const file of [...tops].flatMap(sourcesUnder)) {
    const from = roomOf(file);
    if (from === undefined) throw new Error(`${file} stands on no floor: scripts/floors.ts`);
    for (const each of importsOf(readFileSync(join(root, file), "utf8"))) {
      const target = targetOf(file, each.from);
      // a package of this repository may be imported by its name alone
      const to = target && (roomOf(target) ?? roomOf(`${target}/index.ts`));
      if (to && to !== from) found.set(`${from.path} ${to.path}`, { from, to });
    }
  }
  return [...found.values()];
}

const sourcesUnder = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => /\.[mc]?tsx?$/.test(path) && !path.includes("/node_modules/"))
    .sort();

/** Those that say what no chain of the others says: an arrow is left out when steps down between its ends lead there too. */
export function shortest(all: readonly Arrow[]): Arrow[] {
  const down = Map.groupBy(
    all.filter(({ from, to }) => from.floor > to.floor),
    ({ from }) => from,
  );
  const leadsTo = (from: Room, to: Room): boolean => (down.get(from) ?? []).some((step) => step.to === to || leadsTo(step.to, to));
  const isDetour = ({ from, to }: Arrow) => (down.get(from) ?? []).some((step) => step.to !== to && leadsTo(step.to, to));
  return all.filter((arrow) => !isDetour(arrow));
}

const nameOf = ({ path }: Room) => path.split("/").slice(1).join("/") || path;
const idOf = (room: Room) => nameOf(room).replaceAll(/\W/g, "_");

/** Words in lines of about 40 letters. */
function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 40) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("<br/>");
}

export function floorPicture(): string {
  const floors = [...Map.groupBy(rooms, ({ floor }) => floor)].sort(([a], [b]) => b - a);
  const nodes = floors.flatMap(([floor, on]) => on.map((room) => `  ${idOf(room)}["${floor} <b>${nameOf(room)}</b><br/>${wrapped(contentsOf(room))}"]`));
  const order = ({ from, to }: Arrow) => rooms.indexOf(from) * rooms.length + rooms.indexOf(to);
  const lines = shortest(arrows())
    .sort((a, b) => order(b) - order(a))
    .map(({ from, to }) => `  ${idOf(from)} --> ${idOf(to)}`);
  return ["```mermaid", "flowchart TB", ...nodes, ...lines, "```"].join("\n");
}
