/** The interfaces of a format's reader and writer; registry.ts has those of every format. */
import type { Violation } from "../values/problems.ts";
import type { InvoiceDocument, Numbers } from "./document.ts";
import type { Derived } from "./gross.ts";
import type { Element, Vocabulary } from "./xml.ts";

/**
 * What a reader finds in a file. `document` has no `source` yet.
 *
 * `holder`: the account that will hold the invoice, if the format can name it. `number`: the number
 * under which the invoice was issued, if the format states it apart from the `sourceId`. `numbers`:
 * every number of 20 digits that the file states as the invoice's own: `number`, and a gateway's
 * next to a `sourceId`. `unread`: paths of texts that the document does not have, at most 20.
 * `issueDay`: the day of issue, YYYY-MM-DD, if the format states it apart from the document's time.
 * `notes`: rules of this network's own that the document breaks, and its standard does not have, at
 * most 20; it cannot be issued here.
 * `derived`: what follows from prices with tax inside, if the format can state those.
 */
export type Reading = {
  document: InvoiceDocument;
  holder?: string | undefined;
  number?: string | undefined;
  numbers?: readonly string[];
  unread?: readonly string[];
  issueDay?: string | undefined;
  notes?: readonly Violation[];
  derived?: Derived;
};

export type Root = { name: string; namespace: string };

/** Throws only Problem `malformed-document` or `invalid-document`. */
export type BytesReader = { read: (body: Uint8Array) => Reading };

/**
 * A format of XML. It is recognised by its root element, the first of `roots` being the usual one;
 * `namespace`: "" for none. Throws Problem `invalid-document`.
 */
export type XmlReader = {
  roots: readonly [Root, ...Root[]];
  vocabulary: Vocabulary;
  read: (root: Element) => Reading;
  /**
   * The path of a document's member (`seller/name`, also `number` and `issueDay`) below the root;
   * undefined if the format has none.
   */
  pathOf: (member: string) => string | undefined;
  /** The root of a document, if the format has several. */
  rootOf?: (document: Pick<InvoiceDocument, "typeCode">) => string;
};

export type Reader = { bytes: BytesReader } | { xml: XmlReader };

/**
 * `obstacles`: why the format cannot express a document, with JSON pointers into it. `write` throws
 * RangeError for a sum out of bounds.
 */
export type Writer = {
  obstacles: (document: InvoiceDocument) => Violation[];
  write: (document: InvoiceDocument, numbers: Numbers) => string;
};
