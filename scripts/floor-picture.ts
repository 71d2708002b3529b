/** The picture of the floors in docs/architecture.md, drawn from the imports (Mermaid). */
import { contentsOf, cruiseImports, type Room, roomOf, rooms } from "./floors.ts";
import { root } from "./run.ts";

/** `from` imports `to`. */
export type Arrow = { from: Room; to: Room };

/**
 * Every pair of rooms of which the first imports the second. Throws when a file stands in no room.
 */
export async function arrows(): Promise<Arrow[]> {
  const all = new Map<string, Arrow>();
  const { modules } = await cruiseImports(root);
  for (const { source, dependencies } of modules.filter((module) =>
    /^(protocol|server|clients|sandbox)\//.test(module.source),
  )) {
    const from = roomOf(source);
    if (from === undefined) throw new Error(`${source} stands on no floor: scripts/floors.ts`);
    for (const { resolved } of dependencies) {
      const to = roomOf(resolved);
      if (to && to !== from) all.set(`${from.path} ${to.path}`, { from, to });
    }
  }
  return [...all.values()];
}

/**
 * Those that say what no chain of the others says: an arrow is left out when steps down between its
 * ends lead there too.
 */
export function shortest(all: readonly Arrow[]): Arrow[] {
  const down = Map.groupBy(
    all.filter(({ from, to }) => from.floor > to.floor),
    ({ from }) => from,
  );
  const leadsTo = (from: Room, to: Room): boolean =>
    (down.get(from) ?? []).some((step) => step.to === to || leadsTo(step.to, to));
  const isDetour = ({ from, to }: Arrow) =>
    (down.get(from) ?? []).some((step) => step.to !== to && leadsTo(step.to, to));
  return all.filter((arrow) => !isDetour(arrow));
}

const nameOf = ({ path }: Room) => path.replace(/^server\/(features\/)?/, "");
const idOf = (room: Room) => nameOf(room).replaceAll(/\W/g, "_");

/** Words in lines of about 40 letters. */
function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 40)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("<br/>");
}

/** By default Mermaid breaks lines at 200 pixels or less. */
const LINES_AS_THEY_ARE = '%%{init: {"flowchart": {"wrappingWidth": 400}}}%%';

export function floorPicture(all: readonly Arrow[]): string {
  const floors = [...Map.groupBy(rooms, ({ floor }) => floor)].sort(([a], [b]) => b - a);
  const nodes = floors.flatMap(([floor, on]) =>
    on.map(
      (room) =>
        `  ${idOf(room)}["${floor} <b>${nameOf(room)}</b><br/>${wrapped(contentsOf(room))}"]`,
    ),
  );
  const order = ({ from, to }: Arrow) => rooms.indexOf(from) * rooms.length + rooms.indexOf(to);
  const lines = shortest(all)
    .sort((a, b) => order(b) - order(a))
    .map(({ from, to }) => `  ${idOf(from)} --> ${idOf(to)}`);
  return ["```mermaid", LINES_AS_THEY_ARE, "flowchart TB", ...nodes, ...lines, "```"].join("\n");
}
