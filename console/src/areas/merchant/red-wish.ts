/** What is chosen to be taken back of an invoice, and the request that it makes. */
import { compareDecimals, parseMoney } from "@onepiao/protocol/values/money.ts";
import type { Schemas } from "../../shared/client.ts";
import type { FieldPath } from "../../shared/field-problems.ts";
import { decimalOf, moneyOf } from "./draft.ts";
import { type LinePart, netOf } from "./red-sum.ts";

type Reason = Schemas["RedLetterReason"];
type Lines = readonly Schemas["InvoiceLine"][];
type Part = { taken?: boolean; much?: string };
export type Wish = {
  how: "whole" | "lines" | "gross";
  reason: Reason;
  gross?: string;
  lines?: Record<string, Part>;
};
export type RedLetterBody = { reason: Reason; whole?: true; gross?: string; lines?: LinePart[] };

/** The places of the lines that are ticked, from 0. */
export const takenOf = ({ lines = {} }: Wish): string[] =>
  Object.keys(lines).filter((at) => lines[at]?.taken);

/**
 * What is wrong with what is typed of a line, if anything: it is no figure, or not between nothing
 * and the whole line.
 */
export function faultOf(lines: Lines, at: number, much = ""): "figure" | "beyond" | undefined {
  const line = lines[at];
  if (much.trim() === "" || line === undefined) return undefined;
  const byQuantity = line.quantity !== undefined;
  const figure = byQuantity ? decimalOf(much) : moneyOf(much);
  if (figure === undefined) return "figure";
  if (!/[1-9]/.test(figure)) return "beyond";
  const more = byQuantity
    ? compareDecimals(figure, line.quantity as string)
    : parseMoney(figure) - netOf(lines, at);
  return more > 0n ? "beyond" : undefined;
}

/**
 * The parts that are chosen: lines with a quantity by quantity, others by amount, and whole where
 * nothing is typed. Undefined while one of them cannot be read, or is more than its line.
 */
export function partsOf(wish: Wish, lines: Lines): LinePart[] | undefined {
  const parts = takenOf(wish).map((at): LinePart | undefined => {
    const [line, much] = [Number(at) + 1, wish.lines?.[at]?.much ?? ""];
    if (faultOf(lines, Number(at), much) !== undefined) return undefined;
    if (much.trim() === "") return { line };
    return lines[Number(at)]?.quantity === undefined
      ? { line, amount: moneyOf(much) }
      : { line, quantity: decimalOf(much) };
  });
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

/** The request; undefined while something of it cannot be read. */
export function bodyOf(wish: Wish, lines: Lines): RedLetterBody | undefined {
  const { how, reason } = wish;
  if (how === "whole") return { reason, whole: true };
  if (how === "gross") {
    const gross = moneyOf(wish.gross);
    return gross === undefined ? undefined : { reason, gross };
  }
  const parts = partsOf(wish, lines);
  return parts === undefined ? undefined : { reason, lines: parts };
}

/**
 * The form's field for what the gateway calls `/lines/2/amount`, which counts the lines of the
 * request.
 */
export function placeOf(wish: Wish, pointer: string): FieldPath | undefined {
  const [, part, at = ""] = pointer.split("/");
  if (part === "gross" || part === "reason") return [part];
  const line = part === "lines" && at !== "" ? takenOf(wish)[Number(at)] : undefined;
  return line === undefined ? undefined : ["lines", line, "much"];
}
