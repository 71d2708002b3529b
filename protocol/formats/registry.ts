/**
 * The reader of every row of formats.ts, and the writer of each format that documents are written
 * in. The compiler demands both.
 */
import { ciiReader } from "./cii.ts";
import type { FormatName, WrittenFormat } from "./formats.ts";
import { jsonReader } from "./json.ts";
import type { Reader, Writer } from "./reading.ts";
import { shudianReader } from "./shudian.ts";
import { ublReader } from "./ubl.ts";
import { ciiWriter } from "./write-cii.ts";
import { shudianWriter } from "./write-shudian.ts";
import { ublWriter } from "./write-ubl.ts";

export const readers: Readonly<Record<FormatName, Reader>> = {
  json: { bytes: jsonReader },
  shudian: { xml: shudianReader },
  ubl: { xml: ublReader },
  cii: { xml: ciiReader },
};

export const writers: Readonly<Record<WrittenFormat, Writer>> = {
  shudian: shudianWriter,
  ubl: ublWriter,
  cii: ciiWriter,
};
