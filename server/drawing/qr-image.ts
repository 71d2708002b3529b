/**
 * The picture of a QR code: SVG, PNG, or a path for a page (pdf.ts). Error correction M: about a
 * seventh of the code may be damaged. Invariant: one text, one picture.
 */
import QRCode from "qrcode";

const options = { errorCorrectionLevel: "M" as const, margin: 4 };

export const qrSvg = (text: string): Promise<string> =>
  QRCode.toString(text, { ...options, type: "svg" });
/** Four pixels a module. */
export const qrPng = (text: string): Promise<Buffer> =>
  QRCode.toBuffer(text, { ...options, type: "png", scale: 4 });

/**
 * Its dark modules as runs along each row, in modules; a side has `size` modules, without a margin.
 */
export function qrRuns(text: string): {
  size: number;
  runs: { x: number; y: number; width: number }[];
} {
  const { modules } = QRCode.create(text, options);
  const runs: { x: number; y: number; width: number }[] = [];
  for (let y = 0; y < modules.size; y++) {
    for (let x = 0; x < modules.size; x++) {
      if (!modules.get(y, x)) continue;
      const start = x;
      while (x < modules.size && modules.get(y, x)) x++;
      runs.push({ x: start, y, width: x - start });
    }
  }
  return { size: modules.size, runs };
}
