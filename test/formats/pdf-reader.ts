/** Reads a PDF of the gateway: its texts by page, its attachments, its facts. For tests only. */
import {
  decodePDFRawStream,
  PDFArray,
  PDFDict,
  PDFDocument,
  PDFName,
  PDFRawStream,
  type PDFRef,
} from "@cantoo/pdf-lib";

const bytesOf = (stream: unknown): string => {
  if (!(stream instanceof PDFRawStream)) throw new Error("no stream");
  return Buffer.from(decodePDFRawStream(stream).decode()).toString("latin1");
};
const utf16 = (hex: string): string => Buffer.from(hex, "hex").swap16().toString("utf16le");

/** Glyph → text ("\0": a glyph without one), by the font's ToUnicode map. */
function textsOf(font: PDFDict): Map<number, string> {
  const texts = new Map<number, string>();
  const map = bytesOf(font.lookup(PDFName.of("ToUnicode")));
  for (const [, from = "", list = ""] of map.matchAll(/<([0-9a-f]+)> <[0-9a-f]+> \[([^\]]*)\]/gi)) {
    // a ligature's letters stand apart: <0066 0069>
    for (const [at, [, hex = ""]] of [...list.matchAll(/<([0-9a-f ]*)>/gi)].entries())
      texts.set(Number.parseInt(from, 16) + at, utf16(hex.replaceAll(" ", "")));
  }
  return texts;
}

export type ReadPdf = {
  pages: string[][];
  sizes: [number, number][];
  attachments: Map<string, string>;
  title: string | undefined;
  author: string | undefined;
};

export async function readPdf(bytes: Uint8Array): Promise<ReadPdf> {
  const pdf = await PDFDocument.load(bytes, { updateMetadata: false });
  const pages = pdf.getPages().map((page) => {
    const fonts = page.node.Resources()?.lookup(PDFName.of("Font"), PDFDict);
    const contents = page.node.Contents();
    const streams =
      contents instanceof PDFArray
        ? contents.asArray().map((ref) => pdf.context.lookup(ref as PDFRef))
        : [contents];
    const content = streams.map(bytesOf).join("\n");
    const texts: string[] = [];
    let font = new Map<number, string>();
    for (const [, name, shown] of content.matchAll(/\/(F\d+) [\d.]+ Tf|\[([^\]]*)\] TJ/g)) {
      if (name !== undefined) font = textsOf(fonts?.lookup(PDFName.of(name), PDFDict) as PDFDict);
      else
        texts.push(
          [...(shown ?? "").matchAll(/<([0-9a-f]*)>/gi)]
            .map(([, hex = ""]) =>
              hex.replace(/..../g, (id) => font.get(Number.parseInt(id, 16)) ?? "\0"),
            )
            .join(""),
        );
    }
    return texts;
  });
  const attachments = new Map(
    pdf.getAttachments().map(({ name, data }) => [name, Buffer.from(data).toString("utf8")]),
  );
  return {
    pages,
    sizes: pdf.getPages().map((page) => [page.getWidth(), page.getHeight()]),
    attachments,
    title: pdf.getTitle(),
    author: pdf.getAuthor(),
  };
}
