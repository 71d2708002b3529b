/**
 * XML as invoices may use it: well-formed, UTF-8, no DTD, no entities beyond the five built-in and numeric ones.
 *
 * Owns: bytes → a tree of elements with their namespaces and paths. Invariants: text stays text; a DTD is refused before
 * anything could be expanded; size, depth and number of elements are bounded; every failure is a Problem.
 * Does not own: what the elements mean (shudian.ts, ubl.ts).
 */
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { Problem } from "../kernel/problems.ts";

/** 2,000 lines of UBL have some 60,000 elements; attachments are text, not elements. */
const maxElements = 120_000;
const maxDepth = 32;
/** Longest tag with its attributes; attribute matching is not linear. */
const maxTag = 20_000;

export type Element = {
  /** Without its prefix. */
  name: string;
  namespace: string;
  attributes: Readonly<Record<string, string>>;
  children: readonly Element[];
  /** Its own text and CDATA, trimmed. */
  text: string;
  parent: Element | undefined;
};

/** `field` is an XPath as far as it can be told; the whole document is `/`. */
export function malformed(rule: string, detail: string, cause?: unknown): Problem {
  return new Problem("malformed-document", detail, { violations: [{ field: "/", rule, detail }], cause });
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a body, byte-order mark included: encoding it again gives the same bytes. */
export function decodeUtf8(body: Uint8Array, fail: (rule: string, detail: string) => Problem): string {
  try {
    return utf8.decode(body);
  } catch {
    throw fail("encoding-not-utf8", "The body is not UTF-8");
  }
}

// preserveOrder keeps mixed and repeated elements apart; entities are decoded here, after the guard has seen every one.
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  cdataPropName: "#cdata",
  ignoreDeclaration: true,
  ignorePiTags: true,
  jPath: false,
  maxNestedTags: maxDepth,
});

const skipTo = (text: string, from: number, end: string, what: string): number => {
  const at = text.indexOf(end, from);
  if (at < 0) throw malformed("not-well-formed", `${what} does not end`);
  return at + end.length;
};
const reference = /&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([A-Za-z_:][\w.:-]{0,100}));/y;
const isCharacter = (code: number) =>
  code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);

/** One pass over the markup before any parser sees it: refuses what could expand or explode. */
function guard(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters XML forbids
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text)) throw malformed("forbidden-character", "A control character is not allowed in XML");
  const encoding = /^<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([^"']{0,40})["']/.exec(text)?.[1];
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding))
    throw malformed("encoding-not-utf8", `The declared encoding ${encoding} is not read here: use UTF-8`);
  let elements = 0;
  const mark = /[<&]/g;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    const at = found.index;
    if (text[at] === "&") {
      reference.lastIndex = at;
      const [, named, decimal, hex, other] = reference.exec(text) ?? [];
      if (other !== undefined) {
        const detail = `The entity &${other}; is not built in`;
        throw new Problem("forbidden-markup", detail, { violations: [{ field: "/", rule: "entity-forbidden", detail }] });
      }
      const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : undefined;
      if ((named === undefined && code === undefined) || (code !== undefined && !isCharacter(code)))
        throw malformed("not-well-formed", `An & at character ${at} begins no reference`);
    } else if (text.startsWith("<!--", at)) mark.lastIndex = skipTo(text, at + 4, "-->", "A comment");
    else if (text.startsWith("<![CDATA[", at)) mark.lastIndex = skipTo(text, at + 9, "]]>", "A CDATA section");
    else if (text.startsWith("<?", at)) mark.lastIndex = skipTo(text, at + 2, "?>", "A processing instruction");
    else if (text[at + 1] === "!") {
      const detail = "A DOCTYPE or another declaration is not read here";
      throw new Problem("forbidden-markup", detail, { violations: [{ field: "/", rule: "dtd-forbidden", detail }] });
    } else {
      if (text[at + 1] !== "/") elements++;
      if (elements > maxElements) throw malformed("too-many-elements", `More than ${maxElements} elements`);
      const end = text.indexOf(">", at);
      if (end < 0) throw malformed("not-well-formed", "A tag does not end");
      if (end - at > maxTag) throw malformed("tag-too-long", `A tag is longer than ${maxTag} characters`);
    }
  }
}

const builtIn: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const decodeReferences = (text: string): string =>
  text.includes("&")
    ? text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex?: string, decimal?: string, named?: string) =>
        hex !== undefined
          ? String.fromCodePoint(Number.parseInt(hex, 16))
          : decimal !== undefined
            ? String.fromCodePoint(Number(decimal))
            : (builtIn[named ?? ""] ?? whole),
      )
    : text;

/** One node as fast-xml-parser gives it: its tag (or #text, #cdata) with the content, and ":@" with the attributes. */
type Node = Record<string, unknown>;
const tagOf = (node: Node): string => Object.keys(node).find((key) => key !== ":@") ?? "";

function textOf(content: readonly Node[]): string {
  let text = "";
  for (const node of content) {
    if (typeof node["#text"] === "string") text += decodeReferences(node["#text"]);
    else if (Array.isArray(node["#cdata"])) text += String((node["#cdata"][0] as Node | undefined)?.["#text"] ?? "");
  }
  return text.trim();
}

type Scope = ReadonlyMap<string, string>;
function build(node: Node, tag: string, outer: Scope, parent: Element | undefined): Element {
  const attributes: Record<string, string> = Object.create(null);
  let scope = outer;
  for (const [name, value] of Object.entries((node[":@"] ?? {}) as Record<string, unknown>)) {
    const plain = decodeReferences(String(value));
    if (name === "xmlns" || name.startsWith("xmlns:")) scope = new Map(scope).set(name.slice(6), plain);
    else attributes[name] = plain;
  }
  const colon = tag.indexOf(":");
  const prefix = colon < 0 ? "" : tag.slice(0, colon);
  const namespace = scope.get(prefix);
  if (namespace === undefined && prefix !== "") throw malformed("namespace-undeclared", `The prefix ${prefix.slice(0, 40)} is not declared`);
  const content = node[tag] as readonly Node[];
  const children: Element[] = [];
  const element: Element = { name: tag.slice(colon + 1), namespace: namespace ?? "", attributes, children, text: textOf(content), parent };
  for (const child of content) {
    const childTag = tagOf(child);
    if (!childTag.startsWith("#")) children.push(build(child, childTag, scope, element));
  }
  return element;
}

/** The root element of a document. Throws Problem `malformed-document` or `forbidden-markup`. */
export function parseXml(source: string): Element {
  const text = source.startsWith("\ufeff") ? source.slice(1) : source;
  if (text.trim() === "") throw malformed("empty", "The body is empty");
  guard(text);
  let nodes: readonly Node[];
  try {
    const checked = XMLValidator.validate(text);
    if (checked !== true) {
      // Several unclosed elements are told as a list of names; what it means is that the text stops too early.
      const truncated = checked.err.msg.startsWith("Invalid '");
      throw malformed(
        "not-well-formed",
        truncated ? "The document ends before its elements do" : `Line ${checked.err.line}, column ${checked.err.col ?? 1}: ${checked.err.msg.slice(0, 200)}`,
      );
    }
    nodes = parser.parse(text) as readonly Node[];
  } catch (error) {
    throw error instanceof Problem
      ? error
      : malformed("not-well-formed", error instanceof Error ? error.message.slice(0, 200) : "The XML cannot be read", error);
  }
  const roots = nodes.filter((node) => !tagOf(node).startsWith("#"));
  const root = roots[0];
  if (root === undefined || roots.length > 1) throw malformed("not-well-formed", "A document has one root element");
  return build(root, tagOf(root), new Map([["xml", "http://www.w3.org/XML/1998/namespace"]]), undefined);
}

/** The children of a name; `namespace` undefined means any. */
export const childrenOf = (element: Element | undefined, name: string): readonly Element[] => element?.children.filter((child) => child.name === name) ?? [];
