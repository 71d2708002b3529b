/**
 * XML as invoices may use it: well-formed, no DTD, no entities except the five built-in and
 * numeric ones, no processing instructions, and only the elements and attributes of its format
 * (vocabularies.ts).
 *
 * Owns: text → a tree of elements with their namespaces and paths. Invariants: text stays text; a
 * DTD is refused before anything could expand; size, depth and number of elements are bounded, the
 * last by the number of lines; an element has either children or one text, in one piece, so that
 * every reader reads the same; every failure is a Problem. Does not own: the meaning of elements
 * (shudian.ts, ubl.ts, cii.ts).
 */
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { maxViolations, Problem, type Violation } from "../values/problems.ts";

/**
 * Elements outside of lines, and for each line: more than any invoice has. Attachments are text,
 * not elements.
 */
const headElements = 6_000;
const lineElements = 60;
const maxLines = 2_000;
const maxDepth = 32;
/** The longest tag with its attributes; matching attributes is not linear. */
const maxTag = 20_000;

export type Element = {
  /** Without its prefix. */
  name: string;
  /** With the prefix that its vocabulary gives to its namespace. */
  qname: string;
  namespace: string;
  attributes: Readonly<Record<string, string>>;
  children: readonly Element[];
  /** Its own text and CDATA, trimmed. */
  text: string;
  parent: Element | undefined;
  /** Whether the vocabulary lists it at this place, and all elements around it. */
  listed: boolean;
};

/**
 * The elements of a format. Names have the prefixes given here, whatever prefixes a document uses.
 */
export type Vocabulary = {
  /** Prefix by namespace. */
  prefixes: ReadonlyMap<string, string>;
  /** The element that may occur 2,000 times, without prefix. */
  line: string;
  children: ReadonlyMap<string, ReadonlySet<string>>;
  /** Set if elements that are not listed are read too; they have no attributes. */
  open?: true;
  attributes: ReadonlySet<string>;
  formal: ReadonlySet<string>;
};

/** `field` is an XPath as far as it is known; the whole document is `/`. */
export function malformed(rule: string, detail: string, cause?: unknown): Problem {
  return new Problem("malformed-document", detail, {
    violations: [{ field: "/", rule, detail }],
    cause,
  });
}

// preserveOrder keeps mixed and repeated elements apart; entities are decoded here, after the guard
// has seen every one.
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  cdataPropName: "#cdata",
  commentPropName: "#comment",
  ignoreDeclaration: true,
  ignorePiTags: true,
  jPath: false,
  maxNestedTags: maxDepth,
});

const skipTo = (text: string, from: number, end: string, label: string): number => {
  const at = text.indexOf(end, from);
  if (at < 0) throw malformed("not-well-formed", `${label} does not end`);
  return at + end.length;
};
const reference =
  /&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([A-Za-z_:][\w.:-]{0,100}));/y;
const isCharacter = (code: number) =>
  code === 9 ||
  code === 10 ||
  code === 13 ||
  (code >= 0x20 && code <= 0xd7ff) ||
  (code >= 0xe000 && code <= 0xfffd) ||
  (code >= 0x10000 && code <= 0x10ffff);

/**
 * The start of a line's tag in one of these formats. Elements are counted before the format is
 * known.
 */
export const lineTagOf = (vocabularies: readonly Vocabulary[]): RegExp =>
  new RegExp(
    `<(?:[\\w.-]{1,20}:)?(?:${vocabularies.map(({ line }) => line).join("|")})[\\s>]`,
    "y",
  );

const [BANG, AMPERSAND, SLASH, LESS, QUESTION] = [33, 38, 47, 60, 63];

/** Throws if the & begins neither a built-in entity nor a character that XML allows. */
function checkReference(text: string, at: number): void {
  reference.lastIndex = at;
  const [, named, decimal, hex, other] = reference.exec(text) ?? [];
  if (other !== undefined) {
    const detail = `The entity &${other}; is not built in`;
    throw new Problem("forbidden-markup", detail, {
      violations: [{ field: "/", rule: "entity-forbidden", detail }],
    });
  }
  const code =
    decimal !== undefined
      ? Number(decimal)
      : hex !== undefined
        ? Number.parseInt(hex, 16)
        : undefined;
  if ((named === undefined && code === undefined) || (code !== undefined && !isCharacter(code)))
    throw malformed("not-well-formed", `An & at character ${at} begins no reference`);
}

/** Behind the comment or CDATA section that begins here. Throws for any other declaration. */
function afterDeclared(text: string, at: number): number {
  if (text.startsWith("<!--", at)) return skipTo(text, at + 4, "-->", "A comment");
  if (text.startsWith("<![CDATA[", at)) return skipTo(text, at + 9, "]]>", "A CDATA section");
  const detail = "A DOCTYPE or another declaration is not read here";
  throw new Problem("forbidden-markup", detail, {
    violations: [{ field: "/", rule: "dtd-forbidden", detail }],
  });
}

/** One pass over the markup before any parser sees it: refuses what could expand or explode. */
function guard(text: string, lineTag: RegExp): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters XML forbids
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text))
    throw malformed("forbidden-character", "A control character is not allowed in XML");
  let elements = 0;
  let lines = 0;
  for (let at = 0; at < text.length; at += 1) {
    const mark = text.charCodeAt(at);
    if (mark === AMPERSAND) checkReference(text, at);
    if (mark !== LESS) continue;
    const next = text.charCodeAt(at + 1);
    if (next === BANG) at = afterDeclared(text, at) - 1;
    else if (next === QUESTION) {
      if (at > 0 || !/^<\?xml\s/.test(text)) {
        const detail =
          "A processing instruction tells other software what to do with the document; it is " +
          "not read here";
        throw new Problem("forbidden-markup", detail, {
          violations: [{ field: "/", rule: "processing-instruction", detail }],
        });
      }
      at = skipTo(text, at + 2, "?>", "The declaration") - 1;
    } else {
      if (next !== SLASH) {
        elements++;
        lineTag.lastIndex = at;
        if (lineTag.test(text)) lines++;
        const most = headElements + lineElements * Math.min(lines, maxLines);
        if (elements > most)
          throw malformed("too-many-elements", `More than ${most} elements, with ${lines} lines`);
      }
      const end = text.indexOf(">", at);
      if (end < 0) throw malformed("not-well-formed", "A tag does not end");
      if (end - at > maxTag)
        throw malformed("tag-too-long", `A tag is longer than ${maxTag} characters`);
    }
  }
}

const builtIn: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};
const decodeReferences = (text: string): string =>
  text.includes("&")
    ? text.replace(
        /&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g,
        (whole, hex?: string, decimal?: string, named?: string) =>
          hex !== undefined
            ? String.fromCodePoint(Number.parseInt(hex, 16))
            : decimal !== undefined
              ? String.fromCodePoint(Number(decimal))
              : (builtIn[named ?? ""] ?? whole),
      )
    : text;

/**
 * A node of fast-xml-parser: its tag (or #text, #cdata) with the content, and ":@" with the
 * attributes.
 */
type Node = Record<string, unknown>;
function tagOf(node: Node): string {
  for (const key in node) if (key !== ":@") return key;
  return "";
}

/** Most elements have no attributes. */
const noAttributes: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

/** From here on a text in Base64 is set aside: an embedded file, not something to be read. */
const longText = 4_096;
/**
 * The longest document without the texts that are set aside, in characters: CII has 1,500 for each
 * of 2,000 lines.
 */
const maxMarkup = 4 * 1024 * 1024;

/**
 * Sets long texts in Base64 aside, so that no parser goes through the bytes of an embedded file. A
 * control character, which XML does not allow, stands in their place, with their line breaks, so
 * that lines keep their numbers. `restore` puts them back into an element's text. Requirement: the
 * text has no control characters.
 */
function setAside(text: string): { rest: string; restore: (text: string) => string } {
  const aside: string[] = [];
  const parts: string[] = [];
  let kept = 0;
  for (let at = text.indexOf(">"); at >= 0; ) {
    const end = text.indexOf("<", at);
    if (end < 0) break;
    const inner = end - at > longText ? text.slice(at + 1, end) : "";
    if (inner !== "" && !/[^A-Za-z0-9+/=\s]/.test(inner)) {
      parts.push(text.slice(kept, at + 1), `\u0001${aside.length}\u0001`);
      parts.push(inner.replaceAll(/[^\n]+/g, ""));
      aside.push(inner);
      kept = end;
    }
    at = text.indexOf(">", end);
  }
  if (aside.length === 0) return { rest: text, restore: (each) => each };
  return {
    rest: parts.join("") + text.slice(kept),
    restore: (each) =>
      each.includes("\u0001")
        ? // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none, so it is ours
          each.replaceAll(/\u0001(\d+)\u0001\n*/g, (_, index: string) => aside[Number(index)] ?? "")
        : each,
  };
}

/** The text of an element, and the reason why another reader might read a different one. */
function textOf(
  content: readonly Node[],
  restore: (text: string) => string,
): {
  text: string;
  broken?: [rule: string, detail: string];
} {
  const only = content.length === 1 ? content[0]?.["#text"] : undefined;
  if (typeof only === "string") return { text: restore(decodeReferences(only)).trim() };
  let [text, pieces, comments, children] = ["", 0, 0, 0];
  for (const node of content) {
    if (typeof node["#text"] === "string") {
      const piece = decodeReferences(node["#text"]);
      if (piece.trim() !== "") pieces++;
      text += piece;
    } else if (Array.isArray(node["#cdata"])) {
      pieces++;
      text += String((node["#cdata"][0] as Node | undefined)?.["#text"] ?? "");
    } else if (node["#comment"] !== undefined) comments++;
    else children++;
  }
  if (pieces > 0 && children > 0)
    return { text, broken: ["mixed-content", "an element has either elements in it or a text"] };
  if (pieces > 0 && comments > 0)
    return { text, broken: ["comment-in-text", "a comment in a text cuts it for some readers"] };
  text = restore(text).trim();
  // some programs put a quoted word into a piece of its own: between words, every reader joins the
  // pieces to the same text
  if (pieces > 1 && !/\s/.test(text))
    return {
      text,
      broken: [
        "text-in-pieces",
        "a figure, a date, a code is one piece: plain, or one CDATA section",
      ],
    };
  return { text };
}

type Scope = ReadonlyMap<string, string>;
const XSI = "http://www.w3.org/2001/XMLSchema-instance";

/** Builds the tree and refuses what is not of the format; it stops at `maxViolations`. */
function createBuilder(vocabulary: Vocabulary, restore: (text: string) => string) {
  const violations: Violation[] = [];
  const refuse = (element: Element, name: string, rule: string, detail: string) => {
    const steps: string[] = [];
    for (let at: Element | undefined = element; at !== undefined; at = at.parent) {
      const siblings = at.parent?.children.filter((other) => other.qname === at?.qname) ?? [];
      steps.unshift(`/${at.qname}${siblings.length > 1 ? `[${siblings.indexOf(at) + 1}]` : ""}`);
    }
    violations.push({ field: steps.join("") + name, rule, detail });
    if (violations.length === maxViolations) throw invalid(violations);
  };

  /**
   * Whether an element that is not listed may stand here: not below one that is read as a text, and
   * not with the name of a listed one in other letters, which people would take for it.
   */
  const isOpen = ({ parent, qname }: Element): boolean => {
    if (!vocabulary.open || !parent?.listed) return vocabulary.open === true;
    const names = vocabulary.children.get(parent.qname);
    const folded = qname.toLowerCase();
    return names !== undefined && ![...names].some((name) => name.toLowerCase() === folded);
  };

  /** No reader looks at the attributes of an open vocabulary: only formal elements have any. */
  const isAttribute = (element: Element, name: string) =>
    vocabulary.attributes.has(name) &&
    (!vocabulary.open || (element.listed && vocabulary.formal.has(element.qname)));

  function checkAttribute(element: Element, name: string, scope: Scope): void {
    const colon = name.indexOf(":");
    const foreign =
      colon >= 0 &&
      !(
        scope.get(name.slice(0, colon)) === XSI &&
        /^(?:noNamespaceS|s)chemaLocation$/.test(name.slice(colon + 1))
      );
    if (foreign)
      refuse(element, `/@${name}`, "foreign-namespace", "an attribute of another format");
    else if (colon < 0 && !isAttribute(element, name))
      refuse(element, `/@${name}`, "unknown-attribute", "this format has no such attribute");
  }

  function build(node: Node, tag: string, outer: Scope, parent: Element | undefined): Element {
    const stated = node[":@"] as Record<string, unknown> | undefined;
    const attributes = stated === undefined ? noAttributes : Object.create(null);
    let scope = outer;
    for (const [name, value] of stated === undefined ? [] : Object.entries(stated)) {
      const plain = restore(decodeReferences(String(value)));
      if (name === "xmlns" || name.startsWith("xmlns:"))
        scope = new Map(scope).set(name.slice(6), plain);
      else attributes[name] = plain;
    }
    const colon = tag.indexOf(":");
    const namespace = scope.get(colon < 0 ? "" : tag.slice(0, colon));
    if (namespace === undefined && colon >= 0)
      throw malformed(
        "namespace-undeclared",
        `The prefix ${tag.slice(0, Math.min(colon, 40))} is not declared`,
      );
    const name = tag.slice(colon + 1);
    const prefix = vocabulary.prefixes.get(namespace ?? "");
    const qname = prefix === undefined ? tag : prefix === "" ? name : `${prefix}:${name}`;
    const content = node[tag] as readonly Node[];
    const { text, broken } = textOf(content, restore);
    const children: Element[] = [];
    const element: Element = {
      name,
      qname,
      namespace: namespace ?? "",
      attributes,
      children,
      text,
      parent,
      listed:
        parent === undefined ||
        (parent.listed && (vocabulary.children.get(parent.qname)?.has(qname) ?? false)),
    };
    if (parent !== undefined) (parent.children as Element[]).push(element);
    if (prefix === undefined) {
      refuse(element, "", "foreign-namespace", "an element of another format");
      return element;
    }
    if (!element.listed && !isOpen(element)) {
      refuse(
        element,
        "",
        "unknown-element",
        "this format has no such element here: nobody would read it",
      );
      return element;
    }
    for (const attribute in attributes) checkAttribute(element, attribute, scope);
    if (broken) refuse(element, "", ...broken);
    else if (text !== "" && element.listed && vocabulary.children.has(qname))
      refuse(element, "", "unexpected-text", "this element has elements in it and no text");
    for (const child of content) {
      const childTag = tagOf(child);
      if (!childTag.startsWith("#")) build(child, childTag, scope, element);
    }
    return element;
  }

  return (node: Node): Element => {
    const root = build(
      node,
      tagOf(node),
      new Map([["xml", "http://www.w3.org/XML/1998/namespace"]]),
      undefined,
    );
    if (violations.length > 0) throw invalid(violations);
    return root;
  };
}

const invalid = (violations: readonly Violation[]) =>
  new Problem("invalid-document", `${violations[0]?.field}: ${violations[0]?.detail}`, {
    violations,
  });

/**
 * The root element of a document. `lineTag` matches the start of a line's tag (`lineTagOf`);
 * `vocabularyOf` gives the allowed elements by the root's name and namespace. Throws Problem
 * `malformed-document`, `forbidden-markup`, or `invalid-document` for elements that are not of the
 * format.
 */
export function parseXml(
  text: string,
  lineTag: RegExp,
  vocabularyOf: (name: string, namespace: string) => Vocabulary,
): Element {
  if (text.trim() === "") throw malformed("empty", "The body is empty");
  guard(text, lineTag);
  const { rest, restore } = setAside(text);
  if (rest.length > maxMarkup)
    throw malformed(
      "too-much-markup",
      `Without its embedded files a document has at most ${maxMarkup} characters`,
    );
  let nodes: readonly Node[];
  try {
    const checked = XMLValidator.validate(rest);
    if (checked !== true) {
      // The validator names several unclosed elements as a list; it means that the text stops too
      // early.
      const truncated = checked.err.msg.startsWith("Invalid '");
      throw malformed(
        "not-well-formed",
        truncated
          ? "The document ends before its elements do"
          : `Line ${checked.err.line}, column ${checked.err.col ?? 1}: ` +
              `${checked.err.msg.slice(0, 200)}`,
      );
    }
    nodes = parser.parse(rest) as readonly Node[];
  } catch (error) {
    throw error instanceof Problem
      ? error
      : malformed(
          "not-well-formed",
          error instanceof Error ? error.message.slice(0, 200) : "The XML cannot be read",
          error,
        );
  }
  const roots = nodes.filter((node) => !tagOf(node).startsWith("#"));
  const root = roots[0];
  if (root === undefined || roots.length > 1)
    throw malformed("not-well-formed", "A document has one root element");
  const tag = tagOf(root);
  const [prefix, name] = tag.includes(":")
    ? [tag.slice(0, tag.indexOf(":")), tag.slice(tag.indexOf(":") + 1)]
    : ["", tag];
  const declared = ((root[":@"] ?? {}) as Record<string, unknown>)[
    prefix === "" ? "xmlns" : `xmlns:${prefix}`
  ];
  return createBuilder(
    vocabularyOf(name, declared === undefined ? "" : decodeReferences(String(declared))),
    restore,
  )(root);
}
