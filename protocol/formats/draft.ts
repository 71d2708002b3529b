/**
 * Builds a document from a tree of XML elements, by tables.
 *
 * Owns: following the rows of a format (`from` element, `to` member), and remembering where each
 * member came from, so that a rule broken at `/lines/1/tax` is reported at
 * `/EInvoice/EInvoiceData/IssuItemInformation[2]/ComTaxAm`. Invariants: a member is written once;
 * an element that must be single and is not is a violation, never a silent choice; an empty element
 * is an absent member. Does not own: which members are required (document.ts) and which must agree
 * (rules.ts).
 */
import { type Decimals, decimalsOf } from "../values/money.ts";
import { maxViolations, Problem, type Violation } from "../values/problems.ts";
import {
  type InvoiceDocument,
  invoiceDocument,
  paragraphMembers,
  shapeViolations,
} from "./document.ts";
import { elementBounds, type KeptElement } from "./elements.ts";
import type { Rules } from "./formats.ts";
import { checkDocument, markDiscounts, ruleSets } from "./rules.ts";
import type { Element } from "./xml.ts";

/**
 * `as` converts an element's text to the member's; it never fails: text that it cannot convert
 * stays as it is and breaks the document's shape. `decimals`: of amounts in the document's
 * currency. `back` is its inverse, for a writer; without `back` the format reads a member's text
 * unchanged.
 */
export type Row = {
  to: string;
  from: string;
  as?: (text: string, decimals: Decimals) => string;
  back?: (member: string) => string;
};

/**
 * How a format writes paths: elements that may repeat always carry an index. `words`: the detail of
 * a broken rule of shape in the format's own words, by the rule, or by `pointer rule`.
 */
export type Style = {
  root: string;
  repeated: ReadonlySet<string>;
  words?: Readonly<Record<string, string>>;
};

/** An element with so many children gets an index of their names. */
const INDEXED = 8;

export type Draft = ReturnType<typeof createDraft>;

/** The steps of rows, which are few texts in the code, each split once. */
const splitSteps = new Map<string, readonly string[]>();
function stepsOf(from: string): readonly string[] {
  const known = splitSteps.get(from);
  if (known !== undefined) return known;
  const steps = from.split("/");
  splitSteps.set(from, steps);
  return steps;
}
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** An empty draft on a root element. `currency`: the document's, if the format states it. */
export function createDraft(root: Element, style: Style, currency = "CNY") {
  const decimals = decimalsOf(currency);
  const document: Record<string, unknown> = {};
  const fields = new Map<string, string>();
  const violations: Violation[] = [];

  const visited = new Set<Element>();

  const paths = new Map<Element, string>();
  /**
   * The XPath of an element, with canonical prefixes and 1-based indexes where a name repeats. All
   * children of a parent get theirs at once: one by one, each of 2,000 lines would look at all.
   */
  function pathOf(element: Element): string {
    const { parent } = element;
    if (parent === undefined) return `/${style.root}`;
    const known = paths.get(element);
    if (known !== undefined) return known;
    const around = pathOf(parent);
    for (const [name, siblings] of namesOf(parent)) {
      const isIndexed = style.repeated.has(name) || siblings.length > 1;
      for (const [at, sibling] of siblings.entries())
        paths.set(sibling, `${around}/${name}${isIndexed ? `[${at + 1}]` : ""}`);
    }
    return paths.get(element) as string;
  }

  const childrenByName = new Map<Element, ReadonlyMap<string, readonly Element[]>>();
  function namesOf(parent: Element): ReadonlyMap<string, readonly Element[]> {
    const known = childrenByName.get(parent);
    if (known !== undefined) return known;
    const names = Map.groupBy(parent.children, ({ qname }) => qname);
    childrenByName.set(parent, names);
    return names;
  }

  const noElements: readonly Element[] = [];
  /** An element's children of a name. Where there are many, an index finds them. */
  function named(parent: Element, name: string): readonly Element[] {
    return parent.children.length < INDEXED
      ? parent.children.filter((child) => child.qname === name)
      : (namesOf(parent).get(name) ?? noElements);
  }

  /** The children under a step such as `cbc:ID`. */
  function all(parent: Element | undefined, step: string): readonly Element[] {
    if (parent === undefined) return noElements;
    const elements = named(parent, step);
    for (const element of elements) visited.add(element);
    return elements;
  }

  /** Paths of the texts that no row has read and `keep` does not keep, each once for all lines. */
  function unread(formal: ReadonlySet<string>): string[] {
    const paths = new Set<string>();
    const visit = (element: Element) => {
      if (paths.size === maxViolations || !element.listed) return;
      const known =
        visited.has(element) ||
        formal.has(element.qname) ||
        formal.has(`${element.parent?.qname}/${element.qname}`);
      if (element.text !== "" && !known) paths.add(pathOf(element).replaceAll(/\[\d+\]/g, ""));
      element.children.forEach(visit);
    };
    visit(root);
    return [...paths];
  }

  /**
   * Puts the elements that the vocabulary does not list into the document, and the listed ones that
   * are `unusual`: each as a tree, with the path of the listed element around it.
   */
  function keep(unusual: (element: Element) => boolean): void {
    let at = 0;
    const treeOf = ({ name, text, children }: Element): KeptElement => ({
      name,
      ...(text === "" ? {} : { text }),
      ...(children.length === 0 ? {} : { elements: children.map(treeOf) }),
    });
    const visit = (element: Element) => {
      for (const child of element.children) {
        if (child.listed && child.children.length === 0) continue;
        if (child.listed && !unusual(child)) visit(child);
        else if (at === elementBounds.count) {
          refuse(pathOf(child), "too-many-elements", `more than ${at} elements without a member`);
          return;
        } else put(`/elements/${at++}`, { in: pathOf(element), ...treeOf(child) }, pathOf(child));
      }
    };
    visit(root);
  }

  /**
   * The single element at the end of the steps, if there is one, and its path, which exists even if
   * the element does not.
   */
  function find(
    parent: Element | undefined,
    from: string,
    parentPath?: string,
  ): { element: Element | undefined; path: string } {
    let element = parent;
    let path = parentPath ?? (parent === undefined ? `/${style.root}` : pathOf(parent));
    for (const step of stepsOf(from)) {
      const elements = all(element, step);
      if (elements.length > 1)
        refuse(
          `${path}/${step}`,
          "repeated-element",
          `${step} may stand here once, not ${elements.length} times`,
        );
      element = elements[0];
      path = `${path}/${step}`;
    }
    return { element, path };
  }

  function refuse(field: string, rule: string, detail: string): void {
    if (
      violations.length < maxViolations &&
      !violations.some((known) => known.field === field && known.rule === rule)
    )
      violations.push({ field, rule, detail });
  }

  /** Writes a member. Undefined writes nothing, but remembers where the member would have been. */
  function put(to: string, value: unknown, path: string): void {
    fields.set(to, path);
    if (value === undefined) return;
    const steps = to.slice(1).split("/");
    const last = steps[steps.length - 1] ?? "";
    let target: Record<string, unknown> = document;
    for (let at = 0; at < steps.length - 1; at += 1) {
      const step = steps[at] as string;
      // An index addresses the members of an array, so a name that precedes an index is an array.
      target[step] ??= isDigit((steps[at + 1] as string).charCodeAt(0)) ? [] : {};
      target = target[step] as Record<string, unknown>;
    }
    // some software breaks a long name over lines: join them
    target[last] =
      typeof value === "string" && /[\t\n\r]/.test(value) && !paragraphMembers.has(last)
        ? value.replace(/\s*[\t\n\r]\s*/g, " ")
        : value;
  }

  /** Follows the rows below one element; a member's pointer is prefix + row.to. */
  function fill(
    prefix: string,
    parent: Element | undefined,
    parentPath: string,
    rows: readonly Row[],
  ): void {
    for (const row of rows) {
      const { element, path } = find(parent, row.from, parentPath);
      const text = element?.text ?? "";
      put(
        `${prefix}/${row.to}`,
        text === "" ? undefined : row.as ? row.as(text, decimals) : text,
        path,
      );
    }
  }

  const hasMember = (pointer: string): boolean =>
    pointer
      .slice(1)
      .split("/")
      .reduce<unknown>(
        (inner, step) => (inner as Record<string, unknown> | undefined)?.[step],
        document,
      ) !== undefined;

  /**
   * Where a member came from; for a member without a row, where the nearest member around it came
   * from.
   */
  function fieldOf(pointer: string): string {
    for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const path = fields.get(at);
      if (path !== undefined) return path;
    }
    return `/${style.root}`;
  }

  /**
   * The checked document. `more` checks the rules that only the format knows; they come after the
   * general ones. `notes`: rules of this network's own that the document breaks and its format does
   * not have. Throws Problem `invalid-document` with everything that is wrong.
   */
  function finish(
    rules: Rules,
    more: () => void,
  ): { document: InvoiceDocument; notes: Violation[] } {
    const { shapes, members } = ruleSets[rules];
    const shaped = invoiceDocument.safeParse(document);
    const notes: Violation[] = [];
    const note = (field: string, rule: string, detail: string) => {
      if (notes.length < maxViolations) notes.push({ field: fieldOf(field), rule, detail });
    };
    const broken = shaped.success
      ? checkDocument(shaped.data, rules, note)
      : shapeViolations(shaped.error, document);
    const words = style.words ?? {};
    for (const { field, rule, detail } of broken) {
      const missing = rule === "missing-member";
      refuse(
        fieldOf(field),
        shapes[`${field} ${rule}`] ?? (missing ? "missing-element" : rule),
        words[`${field} ${rule}`] ??
          (missing ? "this element is required" : (words[rule] ?? detail)),
      );
    }
    // a document may lack it (a rail ticket does), an invoice in XML may not
    const seller = shapes["/seller/taxId missing-member"] ?? "missing-element";
    for (const [member, rule] of Object.entries({ "/seller/taxId": seller, ...members }))
      if (!hasMember(member)) refuse(fieldOf(member), rule, "this element is required");
    more();
    if (violations.length > 0 || !shaped.success) {
      const first = violations[0];
      throw new Problem(
        "invalid-document",
        first ? `${first.field}: ${first.detail}` : "The invoice breaks a rule",
        { violations },
      );
    }
    markDiscounts(shaped.data, rules);
    return { document: shaped.data, notes };
  }

  return { root, document, decimals, all, find, fill, put, keep, pathOf, refuse, unread, finish };
}
