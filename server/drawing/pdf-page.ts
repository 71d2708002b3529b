/**
 * The layout: an invoice's content as pages of strips.
 *
 * Owns: the measures of the form and the breaks between pages. A strip is one line of text across
 * the table. A row stays on one page if a page can hold it; otherwise it is broken between strips,
 * so that nothing is ever cut off. Pages are half an A4, the size of a 数电票; an invoice that would
 * take more than ten of them is on A4. Invariants: every row, passenger and paragraph is on exactly
 * one page or continues on the next; totals appear once, after the last row; every other page has
 * its 小计. Does not own: words (pdf-content.ts), drawing (pdf.ts).
 */

import type { InvoiceDocument, Numbers } from "@onepiao/protocol/formats/document.ts";
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import {
  breakdownOf,
  elementsOf,
  moneyText,
  type PartyText,
  partyOf,
  passengerColumns,
  passengersOf,
  type Row,
  remarkOf,
  rowsOf,
  wordsOf,
} from "./pdf-content.ts";
import { createPace, type Face, linesOf, shown, sizeFor, widthOf } from "./pdf-text.ts";

export type Piece = {
  text: string;
  x: number;
  width: number;
  align?: "center" | "right";
  size: number;
  color?: "label" | "faint";
  face?: Face;
};
/** `ruled`: with a fine line above it, and room for the line. */
export type Strip = { height: number; pieces: Piece[]; ruled?: boolean };
export type Sum = { amount: string; tax: string };
export type Page = {
  /** Above the table: the parties in full on the first page, in one line on the others. */
  parties: Strip[];
  rows: Strip[];
  subtotal?: Sum;
  totals: boolean;
  /** The remark, or its part on this page; undefined: no remark. */
  remark?: Strip[];
};
export type Layout = {
  width: number;
  height: number;
  pages: Page[];
  words: Strip[];
  party: { buyer: Strip[]; seller: Strip[]; height: number };
};

export const form = {
  left: 24,
  width: 547,
  /** Width of the column with a box's name, written downwards. */
  label: 18,
  firstTop: 96,
  nextTop: 46,
  columns: 16,
  sum: 15,
  wordsRow: 22,
  remarkLeast: 62,
  /** Height below the frame: drawer, facts of the seal, page. */
  foot: 42,
  /** Width at the right of the remark, reserved for the mark of the seal. */
  seal: 124,
} as const;
const width = 595.28;
const heights = [419.53, 841.89] as const;
/** At most this many pages of half an A4. */
const mostHalves = 10;

/** Of the table, from the frame's left: name, spec, unit, quantity, price, amount, rate, tax. */
export const columns = [
  { title: "项目名称", x: 6, width: 148, align: "left" },
  { title: "规格型号", x: 158, width: 64, align: "left" },
  { title: "单位", x: 226, width: 34, align: "center" },
  { title: "数量", x: 262, width: 54, align: "right" },
  { title: "单价", x: 320, width: 66, align: "right" },
  { title: "金额", x: 390, width: 66, align: "right" },
  { title: "税率/征收率", x: 458, width: 38, align: "center" },
  { title: "税额", x: 494, width: 49, align: "right" },
] as const;
const amountColumn = columns[5];
const taxColumn = columns[7];

const size = 8.5;
const line = 12;
const note = { size: 7, line: 9.5 };

/** Several texts side by side as strips; the text with the most lines decides their number. */
function sideBySide(
  cells: {
    lines: string[];
    x: number;
    width: number;
    align?: "left" | "center" | "right";
    size: number;
  }[],
  height: number,
): Strip[] {
  const count = Math.max(...cells.map((cell) => cell.lines.length), 1);
  return Array.from({ length: count }, (_, at) => ({
    height,
    pieces: cells.flatMap(({ lines, align, ...cell }): Piece[] => {
      const text = lines[at] ?? "";
      return text === ""
        ? []
        : [{ ...cell, text, ...(align === undefined || align === "left" ? {} : { align }) }];
    }),
  }));
}
const paragraph = (
  text: string,
  x: number,
  wide: number,
  type: { size: number; line: number },
  color?: "label" | "faint",
): Strip[] =>
  linesOf(text, wide, type.size).map((each) => ({
    height: type.line,
    pieces: [{ text: each, x, width: wide, size: type.size, ...(color ? { color } : {}) }],
  }));
const heightOf = (strips: readonly Strip[]) => strips.reduce((sum, strip) => sum + strip.height, 0);

/** A number in its column: smaller if it is long, in several lines if it is absurdly long. */
const figure = (text: string, wide: number) => {
  const fitted = sizeFor(text, wide, size, 5);
  return { lines: linesOf(text, wide, fitted), size: fitted };
};

function rowStrips(row: Row): Strip[] {
  const texts = [
    row.name,
    row.spec,
    row.unit,
    row.quantity,
    row.unitPrice,
    row.amount,
    row.rate,
    row.tax,
  ];
  const cells = columns.map((column, at) => {
    const text = texts[at] ?? "";
    return {
      ...column,
      ...(column.align === "right"
        ? figure(text, column.width)
        : { lines: linesOf(text, column.width, size), size }),
    };
  });
  return [
    ...sideBySide(cells, line),
    ...row.notes.flatMap((text) =>
      paragraph(
        text,
        columns[0].x + 10,
        form.width - columns[0].x - 16,
        { size: note.size, line: note.line },
        "faint",
      ),
    ),
  ];
}

function passengerStrips(document: InvoiceDocument): Strip[][] {
  const passengers = passengersOf(document);
  if (passengers.length === 0) return [];
  const weights = [1, 1.7, 1, 1.3, 1.3, 1, 0.7];
  const unit = (form.width - 12) / weights.reduce((sum, each) => sum + each);
  const place = (at: number) => ({
    x: 6 + unit * weights.slice(0, at).reduce((sum, each) => sum + each, 0),
    width: unit * (weights[at] ?? 1) - 4,
  });
  const heads: Strip = {
    height: line + 4,
    ruled: true,
    pieces: passengerColumns.map((text, at) => ({ text, ...place(at), size: 8, color: "label" })),
  };
  return [
    [heads],
    ...passengers.map((texts) =>
      sideBySide(
        texts.map((text, at) => ({
          lines: linesOf(text, place(at).width, 8),
          ...place(at),
          size: 8,
        })),
        11,
      ),
    ),
  ];
}

function partyStrips(party: PartyText): Strip[] {
  const x = form.label + 6;
  const wide = form.width / 2 - form.label - 12;
  const head = (label: string, text: string): Strip[] => {
    const lines = linesOf(label + text, wide, 9);
    // the label keeps its own colour if it is alone in front
    return lines.map((each, at) => {
      const own = at === 0 && each.startsWith(label) ? label : "";
      const value: Piece = {
        text: each.slice(own.length),
        x: x + widthOf(own, 9),
        width: wide,
        size: 9,
      };
      return {
        height: 13,
        pieces:
          own === "" ? [value] : [{ text: own, x, width: wide, size: 9, color: "label" }, value],
      };
    });
  };
  return [
    ...head("名称：", party.name),
    ...head("统一社会信用代码/纳税人识别号：", party.taxId),
    ...party.more.flatMap((text) => paragraph(text, x, wide, { size: 7.5, line: 10.5 })),
  ];
}

const total = (rows: readonly { amount: bigint; tax: bigint }[], taxed: boolean): Sum => {
  const sum = (pick: (row: { amount: bigint; tax: bigint }) => bigint) =>
    rows.reduce((all, row) => all + pick(row), 0n);
  // a page's own sum may exceed the bounds of an amount; the invoice's sum cannot
  const text = (cents: bigint) =>
    cents < 10n ** 15n && cents > -(10n ** 15n) ? formatMoney(cents) : "";
  return { amount: text(sum((row) => row.amount)), tax: taxed ? text(sum((row) => row.tax)) : "" };
};

/** All texts of the document in the form that the fonts can show, converted once. */
async function showable(
  document: InvoiceDocument,
  pace: () => Promise<void>,
): Promise<{ document: InvoiceDocument; changed: boolean }> {
  let changed = false;
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") {
      const drawable = shown(value);
      changed ||= drawable.changed;
      return drawable.text;
    }
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member)]));
    return value;
  };
  const { lines, ...rest } = document;
  const shownLines: unknown[] = [];
  for (const line of lines) {
    shownLines.push(walk(line));
    await pace();
  }
  return { document: { ...(walk(rest) as object), lines: shownLines } as InvoiceDocument, changed };
}

type Block = { strips: Strip[]; amount: bigint; tax: bigint };

export async function layOut(
  fitted: InvoiceDocument,
  numbers: Numbers,
): Promise<{ layout: Layout; document: InvoiceDocument }> {
  const pace = createPace();
  const { document, changed } = await showable(fitted, pace);
  const taxed = document.taxBreakdown === undefined;
  const plain = (strips: Strip[]): Block => ({ strips, amount: 0n, tax: 0n });
  const details = [breakdownOf(document), elementsOf(document)].flatMap((texts) => {
    const strips = texts.flatMap((text) =>
      paragraph(text, 6, form.width - 12, { size: 7.5, line: 10.5 }),
    );
    const [first] = strips;
    if (first) Object.assign(first, { ruled: true, height: first.height + 4 });
    return strips;
  });
  const blocks: Block[] = [];
  for (const row of rowsOf(document)) {
    const tax = row.tax === undefined || row.tax === "***" ? 0n : parseMoney(row.tax);
    blocks.push({ strips: rowStrips(row), amount: parseMoney(row.amount ?? "0.00"), tax });
    await pace();
  }
  blocks.push(...passengerStrips(document).map(plain), ...details.map((strip) => plain([strip])));
  const buyer = partyStrips(partyOf(document.buyer));
  const seller = partyStrips(partyOf(document.seller));
  const party = { buyer, seller, height: Math.max(60, heightOf(buyer) + 8, heightOf(seller) + 8) };
  const brief = ["购买方", "销售方"].flatMap((side, at) => {
    const { name, taxId } = partyOf(at === 0 ? document.buyer : document.seller);
    return paragraph(`${side}：${name}${taxId === "" ? "" : `　${taxId}`}`, 6, form.width - 12, {
      size: 8,
      line: 11,
    });
  });
  const amountInWords = wordsOf(document);
  const wordSize = sizeFor(amountInWords, 262, 10, 7);
  const words = paragraph(amountInWords, 112, 262, { size: wordSize, line: 10 });
  const remark = [
    ...remarkOf(document, numbers),
    ...(changed ? ["个别字符字体中没有，以〓或近似字母代替，以原文为准。"] : []),
  ].flatMap((text) =>
    paragraph(text, form.label + 6, form.width - form.label - 12 - form.seal, {
      size: 8,
      line: 11,
    }),
  );

  const frame = { words, party };
  for (const height of heights) {
    const pages = await paginate(height, pace, {
      blocks,
      brief,
      remark,
      wordsHeight: Math.max(form.wordsRow, heightOf(words) + 8),
      partyHeight: party.height,
      taxed,
    });
    if (pages.length <= mostHalves || height === heights[1])
      return { document, layout: { width, height, pages, ...frame } };
  }
  throw new TypeError("there is a last height");
}

type Content = {
  blocks: Block[];
  brief: Strip[];
  remark: Strip[];
  wordsHeight: number;
  partyHeight: number;
  taxed: boolean;
};

async function paginate(
  height: number,
  pace: () => Promise<void>,
  { blocks, brief, remark, wordsHeight, partyHeight, taxed }: Content,
): Promise<Page[]> {
  const spaceOf = (first: boolean) =>
    height -
    form.foot -
    form.columns -
    (first ? form.firstTop + partyHeight : form.nextTop + heightOf(brief) + 6);
  const pages: (Page & { blocks: Block[] })[] = [];
  let free = 0;
  const open = () => {
    const first = pages.length === 0;
    pages.push({ parties: first ? [] : brief, rows: [], blocks: [], totals: false });
    free = spaceOf(first) - form.sum;
  };
  const last = () => pages.at(-1) as Page & { blocks: Block[] };
  open();
  for (const block of blocks) {
    const needed = heightOf(block.strips);
    if (needed > free && needed <= spaceOf(false) - form.sum) open();
    last().blocks.push(block);
    for (const strip of block.strips) {
      if (strip.height > free) open();
      last().rows.push(strip);
      free -= strip.height;
    }
    await pace();
  }
  // after the last row: sums in place of its 小计, the amount in words, and the remark
  const tail = wordsHeight + form.remarkLeast;
  if (free < tail) {
    const [moved, ...others] = [last().blocks.at(-1), ...last().blocks.slice(0, -1)];
    const page = last();
    open();
    // the totals must not be alone on a page
    if (moved && others.length > 0 && heightOf(moved.strips) + tail <= free) {
      page.blocks = others;
      page.rows = page.rows.slice(0, -moved.strips.length);
      last().blocks.push(moved);
      last().rows.push(...moved.strips);
      free -= heightOf(moved.strips);
    }
  }
  last().totals = true;
  free -= wordsHeight;
  let rest = [...remark];
  for (;;) {
    let count = 0;
    for (let used = 10; count < rest.length && used + (rest[count]?.height ?? 0) <= free; count++)
      used += rest[count]?.height ?? 0;
    last().remark = rest.slice(0, count);
    rest = rest.slice(count);
    if (rest.length === 0) break;
    open();
    free += form.sum + form.columns;
  }
  const end = pages.findIndex((page) => page.totals);
  return pages.map(({ blocks: own, ...page }, at) =>
    at < end ? { ...page, subtotal: total(own, taxed) } : page,
  );
}

/** The invoice's own sums, in the table's columns. */
export function sumPieces(sum: Sum, label: string, currency?: string): Piece[] {
  const text = (amount: string) =>
    amount === "" || currency === undefined ? amount : moneyText(amount, currency);
  const pieceIn = (column: typeof amountColumn | typeof taxColumn, amount: string): Piece => ({
    text: text(amount),
    // a currency's code is wider than ¥: it may extend to the left
    x: column.x - 24,
    width: column.width + 24,
    align: "right",
    size: sizeFor(text(amount), column.width + 24, size, 5.5),
  });
  return [
    {
      text: label,
      x: columns[0].x,
      width: columns[0].width,
      align: "center",
      size: 9,
      color: "label",
    },
    pieceIn(amountColumn, sum.amount),
    pieceIn(taxColumn, sum.tax),
  ];
}
