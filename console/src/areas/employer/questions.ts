/** Which queries an event invalidates: lists, and the invoices that it names. */
import type { Event } from "../../shared/client.ts";

const lists = [
  "claims",
  "claim",
  "externals",
  "external-credits",
  "external-overpaid",
  "invoices",
  "entries",
  "red-letters",
] as const;
const kinds = ["invoice", "history", "external", "entry"] as const;

/** The invoices that an event names: of this network, and external. */
export const namesIn = ({ number, external }: Pick<Event, "number" | "external">): string[] =>
  [number, external].filter((name) => name !== undefined);

/** The keys of the queries to fetch again after an event on these invoices. */
export const questionsOf = (names: Iterable<string>): (readonly string[])[] => [
  ...lists.map((list) => [list]),
  ...[...new Set(names)].flatMap((name) => kinds.map((kind) => [kind, name])),
];
