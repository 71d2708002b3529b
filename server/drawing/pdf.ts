/**
 * An invoice document as a PDF in the familiar layout of a 数电票, with its bundle attached.
 *
 * Owns: drawing. Readers of a 数电票 know the colours and boxes; the mark of the seal is this
 * network's own, in blue and with its own words, and imitates no authority's. PDF/A-3b, so that an
 * archive may keep it: fonts are embedded as the subsets in use, attachments are associated files.
 * Invariants: the same input gives the same bytes; between two rows and between two pages, other
 * work of the process gets a turn. Does not own: positions (pdf-page.ts), words (pdf-content.ts).
 */

import type { InvoiceDocument, Numbers } from "@onepiao/protocol/formats/document.ts";
import { dateOf } from "@onepiao/protocol/formats/qr.ts";
import PDFDocument from "pdfkit";
import { dateText, titleOf } from "./pdf-content.ts";
import {
  columns,
  form,
  type Layout,
  layOut,
  type Page,
  type Piece,
  type Strip,
  sumPieces,
} from "./pdf-page.ts";
import { createPace, type Face, linesOf, openFont, shown, sizeFor, widthOf } from "./pdf-text.ts";
import { qrRuns } from "./qr-image.ts";

/** The chain's facts about an invoice's seal. */
export type SealFacts = {
  lot: string;
  root: string;
  sealedAt: string;
  network: string;
  ledger: string;
};
export type PdfParts = {
  /** The text of the QR code (protocol/formats/qr.ts), and where it leads, for people. */
  qr: string;
  verifyAt: string;
  /** Absent until the invoice is sealed. */
  seal?: SealFacts | undefined;
  reversed: boolean;
  /** The bundle: JSON. */
  bundle?: Uint8Array | undefined;
};

const colours = {
  ink: "#111111",
  label: "#8a4b1f",
  faint: "#555555",
  red: "#c0241c",
  seal: "#2456a6",
  pale: "#888888",
} as const;
const { left, width } = form;
type Doc = InstanceType<typeof PDFDocument>;

/** A text with its middle at `y`. */
function put(
  doc: Doc,
  { text, x, width: wide, align, size, color, face = "regular" }: Piece,
  from: number,
  y: number,
): void {
  const room = align === undefined ? 0 : wide - widthOf(text, size, face);
  const at = from + x + (align === "right" ? room : align === "center" ? room / 2 : 0);
  // 0.78: from the top of the font's line to the middle of its characters
  doc
    .font(face)
    .fontSize(size)
    .fillColor(colours[color ?? "ink"])
    .text(text, at, y - 0.78 * size, { lineBreak: false });
}
function strips(doc: Doc, list: readonly Strip[], from: number, top: number): number {
  let y = top;
  for (const { height, pieces, ruled } of list) {
    if (ruled) rule(doc, y + 2, 0.3);
    for (const piece of pieces) put(doc, piece, from, y + height / 2 + (ruled ? 2 : 0));
    y += height;
  }
  return y;
}
const rule = (doc: Doc, y: number, weight = 0.6) =>
  doc
    .lineWidth(weight)
    .strokeColor(colours.label)
    .moveTo(left, y)
    .lineTo(left + width, y)
    .stroke();
const upright = (doc: Doc, x: number, top: number, bottom: number) =>
  doc.lineWidth(0.6).strokeColor(colours.label).moveTo(x, top).lineTo(x, bottom).stroke();

/** A box's name, one character below the other. */
function downwards(doc: Doc, text: string, from: number, top: number, bottom: number): void {
  const step = Math.min(11, (bottom - top) / text.length);
  const first = (top + bottom) / 2 - (step * (text.length - 1)) / 2;
  for (const [at, character] of [...text].entries())
    put(
      doc,
      {
        text: character,
        x: 0,
        width: form.label,
        align: "center",
        size: Math.min(9, step - 1),
        color: "label",
      },
      from,
      first + at * step,
    );
  upright(doc, from + form.label, top, bottom);
}

function qr(doc: Doc, text: string, x: number, y: number, side: number): void {
  const { size, runs } = qrRuns(text);
  const module = side / size;
  for (const run of runs)
    doc.rect(x + run.x * module, y + run.y * module, run.width * module, module);
  doc.fill("#000000");
}

type Sheet = { document: InvoiceDocument; numbers: Numbers; parts: PdfParts; layout: Layout };

function head(doc: Doc, { document, numbers, parts }: Sheet, first: boolean): void {
  const title = titleOf(document) + (first ? "" : "（续）");
  const size = first ? 17 : 12;
  const middle = left + width / 2;
  const y = first ? 30 : 18;
  put(
    doc,
    { text: title, x: -200, width: 400, align: "center", size, color: "label", face: "medium" },
    middle,
    y,
  );
  const half = widthOf(title, size, "medium") / 2 + 8;
  for (const gap of first ? [15, 17.5] : [10.5, 12.5])
    doc
      .lineWidth(0.7)
      .strokeColor(colours.label)
      .moveTo(middle - half, y + gap)
      .lineTo(middle + half, y + gap)
      .stroke();
  if (document.reverses !== undefined) {
    const tag = { text: "红字发票", size: first ? 12 : 8 };
    const at = first ? middle : middle - half - 34;
    const below = first ? y + 31 : y;
    const wide = widthOf(tag.text, tag.size, "medium");
    doc
      .font("medium")
      .fontSize(tag.size)
      .fillColor(colours.red)
      .text(tag.text, at - wide / 2, below - 0.78 * tag.size, { lineBreak: false });
    doc
      .lineWidth(0.8)
      .strokeColor(colours.red)
      .rect(at - wide / 2 - 5, below - tag.size * 0.78, wide + 10, tag.size * 1.5)
      .stroke();
  }
  const facts = [
    ["发票号码：", numbers.number],
    ["开票日期：", dateText(dateOf(document))],
    ...(first && document.taxBureau?.name ? [["税务机关：", document.taxBureau.name]] : []),
  ] as const;
  let below = first ? 26 : 13;
  for (const [label = "", text = ""] of facts) {
    put(doc, { text: label, x: 0, width: 46, size: 8.5, color: "label" }, 424, below);
    for (const each of linesOf(text, 103, 8.5).slice(0, 4)) {
      put(doc, { text: each, x: 43, width: 103, size: 8.5 }, 424, below);
      below += 12;
    }
    below += 2;
  }
  if (!first) return;
  qr(doc, parts.qr, left + 2, 12, 66);
  const pickup = parts.qr.includes("&pickup=");
  put(
    doc,
    {
      text: pickup ? "扫码取票、查验" : "扫码查验",
      x: 0,
      width: 70,
      align: "center",
      size: 6.5,
      color: "label",
    },
    left,
    86,
  );
}

/** Points on the upper half of an ellipse, at equal distances, each turned to the curve. */
function placesOnArc(
  text: string,
  rx: number,
  ry: number,
): { character: string; px: number; py: number; slope: number }[] {
  const [from, to, steps] = [Math.PI * 1.1, Math.PI * 1.9, 400];
  const points = Array.from(
    { length: steps + 1 },
    (_, at) => from + ((to - from) * at) / steps,
  ).map((angle) => [rx * Math.cos(angle), ry * Math.sin(angle)] as const);
  const lengths = [0];
  for (let at = 1; at <= steps; at++) {
    const [[ax, ay], [bx, by]] = [
      points[at - 1] as readonly [number, number],
      points[at] as readonly [number, number],
    ];
    lengths.push((lengths[at - 1] ?? 0) + Math.hypot(bx - ax, by - ay));
  }
  return [...text].map((character, index) => {
    const position = ((lengths[steps] ?? 0) * index) / (text.length - 1);
    const at = Math.max(
      1,
      lengths.findIndex((length) => length >= position - 1e-6),
    );
    const [[ax, ay], [px, py]] = [
      points[at - 1] as readonly [number, number],
      points[at] as readonly [number, number],
    ];
    return { character, px, py, slope: Math.atan2(py - ay, px - ax) };
  });
}

/** The network's mark in the place of the seal; a plain word before the seal. */
function mark(doc: Doc, seal: SealFacts | undefined, x: number, y: number): void {
  const colour = seal ? colours.seal : colours.pale;
  const [rx, ry] = [54, 27];
  doc.save();
  doc.opacity(0.85).lineWidth(1.4).strokeColor(colour).ellipse(x, y, rx, ry).stroke();
  doc
    .lineWidth(0.5)
    .ellipse(x, y, rx - 3, ry - 3)
    .stroke();
  const centred = (text: string, size: number, at: number, face: Face = "regular") =>
    doc
      .font(face)
      .fontSize(size)
      .fillColor(colour)
      .text(text, x - widthOf(text, size, face) / 2, at - 0.78 * size, { lineBreak: false });
  if (seal) {
    for (const { character, px, py, slope } of placesOnArc("一票网络链上签章", rx - 11, ry - 10)) {
      doc.save().rotate((slope * 180) / Math.PI, { origin: [x + px, y + py] });
      doc
        .font("medium")
        .fontSize(7.5)
        .fillColor(colour)
        .text(character, x + px - 3.75, y + py - 0.78 * 7.5, { lineBreak: false });
      doc.restore();
    }
    centred("OnePiao", 9, y + 1, "medium");
    centred(seal.sealedAt.slice(0, 10), 5.5, y + 9.5);
    centred(`…${seal.lot.slice(-10)}`, 5.5, y + 16);
  } else {
    centred("待签章", 11, y - 2, "medium");
    centred("尚未上链", 6, y + 10);
  }
  doc.restore();
}

/** Across the page, so that nobody can overlook it. */
function watermark(doc: Doc, text: string, colour: string, { height }: Layout): void {
  const [x, y] = [left + width / 2, height / 2];
  const size = 76;
  doc
    .save()
    .rotate(-18, { origin: [x, y] })
    .opacity(0.16);
  doc
    .font("medium")
    .fontSize(size)
    .fillColor(colour)
    .text(text, x - widthOf(text, size, "medium") / 2, y - 0.78 * size, { lineBreak: false });
  doc.restore();
}

/** `frame`: the bottom of the frame. */
function foot(doc: Doc, { parts, layout, document }: Sheet, page: number, frame: number): void {
  const bottom = layout.height - form.foot;
  const last = page === layout.pages.length - 1;
  if (last && document.drawer) {
    const drawer = linesOf(`开票人：${document.drawer}`, 250, 8.5)[0] ?? "";
    put(doc, { text: drawer, x: 6, width: 250, size: 8.5 }, left, frame + 9);
  }
  const { seal } = parts;
  const facts = [`查验：${parts.verifyAt}`];
  if (seal)
    facts.unshift(
      `批次 ${seal.lot}　根 ${seal.root}　签章 ${seal.sealedAt}`,
      `网络 ${seal.network}　账本 ${seal.ledger}`,
    );
  const small = facts.length > 1 ? [facts[0] ?? "", `${facts[1]}　${facts[2]}`] : facts;
  for (const [at, text] of small.entries()) {
    const size = sizeFor(shown(text).text, width - 90, 6, 4);
    put(
      doc,
      {
        text: linesOf(shown(text).text, width - 90, size)[0] ?? "",
        x: 6,
        width,
        size,
        color: "faint",
      },
      left,
      bottom + 21 + at * 8.5,
    );
  }
  put(
    doc,
    {
      text: `第 ${page + 1} 页　共 ${layout.pages.length} 页`,
      x: width - 86,
      width: 80,
      align: "right",
      size: 7.5,
      color: "label",
    },
    left,
    layout.height - 14,
  );
}

/** Totals and remark; `y` is the end of the rows. Returns the bottom of the frame. */
function tail(doc: Doc, { document, layout, parts }: Sheet, page: Page, y: number): number {
  const short = layout.height < 600;
  const remark = page.remark ?? [];
  const needed = Math.max(
    form.remarkLeast,
    remark.reduce((sum, strip) => sum + strip.height, 0) + 10,
  );
  const wordsHeight = Math.max(
    form.wordsRow,
    layout.words.reduce((sum, strip) => sum + strip.height, 0) + 8,
  );
  const bottom = short
    ? layout.height - form.foot
    : Math.min(layout.height - form.foot, y + form.sum + wordsHeight + needed);
  const words = bottom - needed - wordsHeight;
  const sums = sumPieces(
    { amount: document.totals.net, tax: document.totals.tax },
    "合　　　计",
    document.currency,
  );
  for (const piece of sums) put(doc, piece, left, words - form.sum / 2);
  rule(doc, words);
  put(
    doc,
    { text: "价税合计（大写）", x: 6, width: 100, align: "center", size: 9, color: "label" },
    left,
    words + wordsHeight / 2,
  );
  strips(doc, layout.words, left, words + (wordsHeight - layout.words.length * 10) / 2);
  put(
    doc,
    { text: "（小写）", x: 384, width: 40, size: 9, color: "label" },
    left,
    words + wordsHeight / 2,
  );
  const gross =
    document.currency === "CNY"
      ? `¥${document.totals.gross}`
      : `${document.currency} ${document.totals.gross}`;
  put(
    doc,
    {
      text: gross,
      x: 424,
      width: 119,
      size: sizeFor(gross, 119, 10.5, 7, "medium"),
      align: "right",
      face: "medium",
    },
    left,
    words + wordsHeight / 2,
  );
  remarkBox(doc, remark, words + wordsHeight, bottom, "备注");
  mark(doc, parts.seal, left + width - form.seal / 2, (words + wordsHeight + bottom) / 2);
  return bottom;
}

function remarkBox(
  doc: Doc,
  remark: readonly Strip[],
  top: number,
  bottom: number,
  label: string,
): void {
  rule(doc, top);
  downwards(doc, label, left, top, bottom);
  strips(doc, remark, left, top + 5);
}

function sheet(doc: Doc, content: Sheet, at: number): void {
  const { layout, parts } = content;
  const page = layout.pages[at] as Page;
  const first = at === 0;
  head(doc, content, first);
  const top: number = first ? form.firstTop : form.nextTop;
  let y = top;
  if (first) {
    const { buyer, seller, height } = layout.party;
    const middle = left + width / 2;
    y += height;
    downwards(doc, "购买方信息", left, top, y);
    downwards(doc, "销售方信息", middle, top, y);
    upright(doc, middle, top, y);
    strips(doc, buyer, left, top + 4);
    strips(doc, seller, middle, top + 4);
  } else y = strips(doc, page.parties, left, top + 3) + 3;
  rule(doc, y);
  let bottom = layout.height - form.foot;
  if (page.totals || page.subtotal) {
    for (const column of columns) {
      const piece: Piece = {
        text: column.title,
        x: column.x,
        width: column.width,
        size: sizeFor(column.title, column.width, 8.5, 6),
        color: "label",
      };
      put(
        doc,
        { ...piece, align: column.align === "right" ? "right" : "center" },
        left,
        y + form.columns / 2,
      );
    }
    y = strips(doc, page.rows, left, y + form.columns);
  }
  if (page.totals) bottom = tail(doc, content, page, y);
  else if (page.subtotal) {
    for (const piece of sumPieces(page.subtotal, "小　　　计"))
      put(doc, piece, left, bottom - form.sum / 2);
  } else {
    remarkBox(doc, page.remark ?? [], y, bottom, "备注续");
  }
  doc
    .lineWidth(0.9)
    .strokeColor(colours.label)
    .rect(left, top, width, bottom - top)
    .stroke();
  foot(doc, content, at, bottom);
  if (parts.reversed) watermark(doc, "已红冲", colours.red, layout);
  else if (parts.seal === undefined) watermark(doc, "未签章", colours.pale, layout);
}

/** The bytes of the PDF. */
export async function writePdf(
  content: InvoiceDocument,
  numbers: Numbers,
  parts: PdfParts,
): Promise<Buffer> {
  const { layout, document } = await layOut(content, numbers);
  const pace = createPace();
  const dated = new Date(content.issuedAt);
  const doc = new PDFDocument({
    autoFirstPage: false,
    margin: 0,
    pdfVersion: "1.7",
    subset: "PDF/A-3b",
    lang: "zh-CN",
    font: "",
    info: {
      Title: `${titleOf(document)} ${numbers.number}`,
      Author: document.seller.name,
      Creator: "OnePiao",
      Producer: "OnePiao",
      CreationDate: dated,
      ModDate: dated,
    },
  });
  // pdfkit accepts a parsed font too, which its types do not declare
  for (const face of ["regular", "medium"] as const)
    doc.registerFont(face, openFont(face) as unknown as string);
  const chunks: Uint8Array[] = [];
  doc.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    doc.on("end", resolve);
    doc.on("error", reject);
  });
  for (let at = 0; at < layout.pages.length; at++) {
    doc.addPage({ size: [layout.width, layout.height], margin: 0 });
    sheet(doc, { document, numbers, parts, layout }, at);
    await pace();
  }
  if (parts.bundle) {
    // PDF/A-3 requires a relationship, which pdfkit's types do not declare
    const options = {
      name: "bundle.json",
      type: "application/json",
      description: "OnePiao bundle: document, proof and seal",
      relationship: "Data",
    };
    doc.file(Buffer.from(parts.bundle), { ...options, creationDate: dated, modifiedDate: dated });
  }
  doc.end();
  await ended;
  return Buffer.concat(chunks);
}
