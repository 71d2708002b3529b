/**
 * Elements of an XML original that no member of a document is for: the sections of special trades
 * (特定业务: tolls, freight, construction, …) and whatever a newer format adds.
 *
 * Owns: their shape in a document, its bounds, and where they may stand. A document has them in the
 * order of the original, each below an element that its format knows (`in`), as a tree of names and
 * texts. They are of 数电票 only: the other formats refuse what they do not know. Invariant: such an
 * element never has the name of one that a member is written to, so no document says one thing in
 * its members and another in the XML that is written from it. Does not own: finding them (draft.ts)
 * and writing them (write-shudian.ts).
 */
import * as z from "zod";
import { plainText } from "../values/text.ts";
import { shudianVocabulary } from "./vocabularies.ts";

/** Of one document: elements in all, levels of one tree, and UTF-16 units of all texts. */
export const elementBounds = { count: 2_000, depth: 6, units: 100_000 } as const;

const letters =
  "A-Za-z_\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u3400-\\u4dbf\\u4e00-\\u9fff";
const name = z
  .string()
  .max(100)
  .regex(
    new RegExp(`^[${letters}][${letters}0-9.\\-\\u00b7]*$`),
    "element-name: letters, digits, point, hyphen and underscore; a letter comes first",
  );
const element = z
  .strictObject({
    name,
    text: plainText(4000, { lines: true }).optional(),
    get elements() {
      return z.array(element).min(1).max(elementBounds.count).optional();
    },
  })
  .meta({ id: "Element", description: "A text, or further elements, or neither." });
export type KeptElement = z.infer<typeof element>;

const placed = z
  .strictObject({
    in: z
      .string()
      .max(200)
      .regex(
        /^(?:\/[A-Za-z][\w.-]*(?:\[\d+\])?)+$/,
        "element-place: names of elements, each after a slash",
      )
      .describe("The path of the element around it, such as /EInvoice/EInvoiceData."),
    ...element.shape,
  })
  .meta({ id: "PlacedElement" });
export type PlacedElement = z.infer<typeof placed>;

/** The first broken bound of a list of trees, with the position in the list. */
function brokenBound(
  list: readonly KeptElement[],
): { at: number; rule: string; detail: string } | undefined {
  let [count, units] = [0, 0];
  const walk = (each: KeptElement, level: number): [string, string] | undefined => {
    count++;
    units += each.text?.length ?? 0;
    if (count > elementBounds.count)
      return ["too-many-elements", `more than ${elementBounds.count} elements without a member`];
    if (units > elementBounds.units)
      return ["elements-too-long", `more than ${elementBounds.units} characters in elements`];
    if (level > elementBounds.depth)
      return ["elements-too-deep", `more than ${elementBounds.depth} levels of elements`];
    if (each.text !== undefined && each.elements !== undefined)
      return ["mixed-content", "an element has either elements in it or a text"];
    for (const inner of each.elements ?? []) {
      const broken = walk(inner, level + 1);
      if (broken) return broken;
    }
    return undefined;
  };
  for (const [at, each] of list.entries()) {
    const [rule, detail] = walk(each, 1) ?? [];
    if (rule !== undefined && detail !== undefined) return { at, rule, detail };
  }
  return undefined;
}

export const placedElements = z
  .array(placed)
  .min(1)
  .max(elementBounds.count)
  .check(({ value, issues }) => {
    const broken = brokenBound(value);
    if (broken)
      issues.push({
        code: "custom",
        input: value,
        path: [broken.at],
        params: { rule: broken.rule },
        message: broken.detail,
      });
  })
  .describe(
    "What a 数电票 says in elements that no member is for: sections of special trades (特定业务) and " +
      "whatever else its format does not name. May be personal data; never leaves the encrypted " +
      "document.",
  );

/** The elements of a 数电票 that have elements in them: the known names below each, by its path. */
const places: ReadonlyMap<string, ReadonlySet<string>> = (() => {
  const known = new Map<string, ReadonlySet<string>>();
  const visit = (name: string, path: string) => {
    const names = shudianVocabulary.children.get(name);
    if (names === undefined) return;
    known.set(path, names);
    for (const child of names) visit(child, `${path}/${child}`);
  };
  visit("EInvoice", "/EInvoice");
  return known;
})();

const line = "/EInvoice/EInvoiceData/IssuItemInformation";
const passenger = "/EInvoice/EInvoiceData/SpecificInformation/PassengerTransportation";

/** The path of a place that may repeat, and the position in it from 0; undefined for no such. */
export function indexOfPlace(
  place: string,
): { list: "lines" | "passengers"; index: number } | undefined {
  const [, path, index] = /^(.*)\[([1-9]\d{0,3})\]$/.exec(place) ?? [];
  if (path !== line && path !== passenger) return undefined;
  return { list: path === line ? "lines" : "passengers", index: Number(index) - 1 };
}

/** Places where a red letter repeats its original; the others tell how the original was made. */
const lasting = [
  "/EInvoice/Header",
  "/EInvoice/Header/InherentLabel",
  "/EInvoice/EInvoiceData",
  "/EInvoice/EInvoiceData/SellerInformation",
  "/EInvoice/EInvoiceData/BuyerInformation",
  "/EInvoice/EInvoiceData/SpecificInformation",
];

/**
 * The elements that a red letter has from its original: those about the parties and the trade (a
 * section of 特定业务, a passenger), and those of lines that it takes back whole. `lineAt`: the
 * position of an original's line in the red letter, both from 0; undefined for no such line.
 */
export const elementsToReverse = (
  elements: readonly PlacedElement[],
  lineAt: (line: number) => number | undefined,
): PlacedElement[] =>
  elements.flatMap((each) => {
    const repeated = indexOfPlace(each.in);
    if (repeated?.list !== "lines") return repeated || lasting.includes(each.in) ? [each] : [];
    const at = lineAt(repeated.index);
    return at === undefined ? [] : [{ ...each, in: `${line}[${at + 1}]` }];
  });

/** Whether one of these names is this one, whatever their letters' case. */
const isTaken = (names: ReadonlySet<string>, name: string) =>
  [...names].some((each) => each.toLowerCase() === name.toLowerCase());

/**
 * Refuses elements at a place that the format does not have, and those that a member is written to.
 * `counts`: how many lines and passengers there are, as far as they are shown.
 */
export function checkElements(
  elements: readonly PlacedElement[] | undefined,
  counts: { lines?: number | undefined; passengers?: number | undefined },
  refuse: (field: string, rule: string, detail: string) => void,
): void {
  let types = 0;
  for (const [at, { in: place, name }] of (elements ?? []).entries()) {
    const repeated = indexOfPlace(place);
    const path = repeated ? place.slice(0, place.lastIndexOf("[")) : place;
    const known = places.get(path);
    const isCounted = path === line || path === passenger;
    if (known === undefined || isCounted !== (repeated !== undefined))
      refuse(`/elements/${at}/in`, "element-place", "a 数电票 has no such element for others");
    else if (repeated && repeated.index >= (counts[repeated.list] ?? Number.POSITIVE_INFINITY))
      refuse(`/elements/${at}/in`, "element-place", `the document has fewer ${repeated.list}`);
    else if (isTaken(known, name) && (name !== "EInvoiceType" || types++ > 0))
      refuse(
        `/elements/${at}/name`,
        "element-has-member",
        `${name} is written from a member of the document`,
      );
  }
}
