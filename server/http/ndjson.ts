/**
 * Newline-delimited JSON: bytes as they arrive → lines with their numbers.
 *
 * Owns: where a line ends, and the bounds on one line, on the number of lines and on all bytes. A
 * line is the bytes before a line feed (and before a carriage return that precedes it); the last
 * line may lack it. An empty line has a number and nothing else. Never holds more than one line and
 * the chunk that it ends in. Does not own: what a line says, its encoding included.
 */
import { Problem } from "@onepiao/protocol/values/problems.ts";

/** The `bytes` of a line that was too long are dropped: it has a `problem` instead. */
export type Line =
  | { number: number; bytes: Uint8Array; problem?: undefined }
  | { number: number; problem: Problem };
export type LineBounds = { maxLineBytes: number; maxLines: number; maxBytes: number };

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const isSpace = (byte: number) => byte === 32 || byte === 9 || byte === CARRIAGE_RETURN;

/**
 * Throws Problem `body-too-large` at the line that exceeds the number of lines, or the bytes of all
 * lines.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  { maxLineBytes, maxLines, maxBytes }: LineBounds,
): AsyncGenerator<Line, void, undefined> {
  const tooLong = () =>
    new Problem("body-too-large", `The line has more than ${maxLineBytes} bytes`, {
      extra: { maxBytes: maxLineBytes },
    });
  let parts: Uint8Array[] = [];
  let size = 0;
  let number = 0;
  let total = 0;

  const add = (part: Uint8Array) => {
    size += part.length;
    // of a line that is too long only the length matters
    if (size > maxLineBytes + 1) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const take = (): Line | undefined => {
    const whole = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    const bytes = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    const long = size > maxLineBytes + 1 || bytes.length > maxLineBytes;
    [parts, size] = [[], 0];
    number += 1;
    if (number > maxLines)
      throw new Problem("body-too-large", `The body has more than ${maxLines} lines`, {
        extra: { maxLines },
      });
    if (long) return { number, problem: tooLong() };
    return bytes.every(isSpace) ? undefined : { number, bytes };
  };

  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes)
      throw new Problem("body-too-large", `The body has more than ${maxBytes} bytes`, {
        extra: { maxBytes },
      });
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line) yield line;
    }
    add(chunk.subarray(from));
  }
  if (size > 0) {
    const line = take();
    if (line) yield line;
  }
}
