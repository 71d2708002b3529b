/** What the issuer chose to reverse, and the request for it. */
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

/** The places of the ticked lines, from 0. */
export const takenOf = ({ lines = {} }: Wish): string[] =>
  Object.keys(lines).filter((at) => lines[at]?.taken);

/**
 * What is wrong with the text typed for a line, if anything: it is not a number, or not between
 * zero and the whole line.
 */
export function faultOf(lines: Lines, at: number, much = ""): "figure" | "beyond" | undefined {
  const line = lines[at];
  if (much.trim() === "" || line === undefined) return undefined;
  const byQuantity = line.quantity !== undefined;
  const figure = byQuantity ? decimalOf(much) : moneyOf(much);
  if (figure === undefined) return "figure";
  if (!/[1-9]/.test(figure)) return "beyond";
  const isBeyond = byQuantity
    ? compareDecimals(figure, line.quantity as string)
    : parseMoney(figure) - netOf(lines, at);
  return isBeyond > 0n ? "beyond" : undefined;
}

/**
 * The chosen parts: by quantity for lines with a quantity, otherwise by amount, and whole where the
 * field is empty. Undefined if a part cannot be read, or exceeds its line.
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

/** The request. Undefined while a part of it cannot be read. */
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
 * The form's field for a pointer of the gateway such as `/lines/2/amount`. The pointer counts the
 * lines of the request.
 */
export function placeOf(wish: Wish, pointer: string): FieldPath | undefined {
  const [, part, at = ""] = pointer.split("/");
  if (part === "gross" || part === "reason") return [part];
  const line = part === "lines" && at !== "" ? takenOf(wish)[Number(at)] : undefined;
  return line === undefined ? undefined : ["lines", line, "much"];
}
