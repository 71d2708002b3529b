/**
 * A tree of elements to be written as XML, filled by the tables that also read the format
 * (draft.ts).
 *
 * Owns: escaping (every text and attribute value goes through it, so no text can become markup) and
 * the order of siblings, which a format states once, as a schema does. Invariants: the output is
 * well-formed, and xml.ts reads the same texts back, without the blanks at their ends. Does not
 * own: what is written (write-shudian.ts, write-ubl.ts).
 */
import type { Row } from "./draft.ts";

/** `others`: elements that no sequence lists, after the children, in their own order. */
export type Branch = {
  name: string;
  attributes: Record<string, string>;
  children: Branch[];
  others: Branch[];
  text: string;
};

/**
 * The names of the children in their order, by the parent's name. Rendering fails for a child that
 * its parent does not list.
 */
export type Sequences = Readonly<Record<string, string>>;

export const branch = (name: string): Branch => ({
  name,
  attributes: {},
  children: [],
  others: [],
  text: "",
});

/** Adds a child of this name. */
export function add(parent: Branch, name: string): Branch {
  const child = branch(name);
  parent.children.push(child);
  return child;
}

/**
 * Writes a text at the end of the steps, or into the element itself (`.`), and creates the elements
 * that are missing on the way. Undefined writes nothing.
 */
export function put(
  parent: Branch,
  steps: string,
  text: string | undefined,
  attributes: Readonly<Record<string, string | undefined>> = {},
): void {
  if (text === undefined) return;
  let target = parent;
  for (const step of steps === "." ? [] : steps.split("/"))
    target = target.children.find((child) => child.name === step) ?? add(target, step);
  target.text = text;
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) target.attributes[name] = value;
}

const memberAt = (value: unknown, path: string): unknown =>
  path
    .split("/")
    .reduce<unknown>(
      (inner, step) =>
        typeof inner === "object" && inner !== null
          ? (inner as Record<string, unknown>)[step]
          : undefined,
      value,
    );

/**
 * Uses a reader's rows in reverse: each member goes where the reader would find it. `absent`
 * replaces a missing member; undefined: no element.
 */
export function fill(parent: Branch, value: unknown, rows: readonly Row[], absent?: string): void {
  for (const row of rows) {
    const member = memberAt(value, row.to);
    put(
      parent,
      row.from,
      typeof member !== "string" ? absent : row.back ? row.back(member) : member,
    );
  }
}

const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};
const escapeText = (text: string) =>
  text.replace(/[&<>\r]/g, (character) => references[character] ?? character);
const escapeValue = (text: string) =>
  text.replace(/[&<>"\t\n\r]/g, (character) => references[character] ?? character);

/**
 * The whole document. Throws RangeError if the sequences do not list an element: a bug in the
 * writer.
 */
export function render(root: Branch, sequences: Sequences): string {
  const orders = new Map(
    Object.entries(sequences).map(([name, order]) => [name, order.split(" ")]),
  );
  const parts = ['<?xml version="1.0" encoding="UTF-8"?>\n'];
  const write = (element: Branch, indent: string) => {
    const attributes = Object.entries(element.attributes).map(
      ([name, value]) => ` ${name}="${escapeValue(value)}"`,
    );
    parts.push(`${indent}<${element.name}${attributes.join("")}>`);
    if (element.children.length + element.others.length > 0) {
      const order = orders.get(element.name) ?? [];
      const placed = element.children.map((child) => ({ child, place: order.indexOf(child.name) }));
      for (const { child, place } of placed)
        if (place < 0) throw new RangeError(`${child.name} has no place in ${element.name}`);
      parts.push("\n");
      placed.sort((a, b) => a.place - b.place);
      for (const child of [...placed.map(({ child }) => child), ...element.others])
        write(child, `${indent}  `);
      parts.push(indent);
    } else parts.push(escapeText(element.text));
    parts.push(`</${element.name}>\n`);
  };
  write(root, "");
  return parts.join("");
}
