/**
 * How far a long command is, on standard error: one line that moves on a terminal, a line every few
 * seconds elsewhere.
 */
const TERMINAL_MS = 200;
const ELSEWHERE_MS = 5_000;

/**
 * Tells `done` of `of` in `unit`, with their rate a second and what else there is to say; always
 * the last step.
 */
export function createProgress(unit: string, out: NodeJS.WriteStream = process.stderr) {
  const begun = performance.now();
  let first: number | undefined;
  let told = Number.NEGATIVE_INFINITY;
  return ({ done, of }: { done: number; of: number }, more = ""): void => {
    const now = performance.now();
    first ??= done;
    const last = done >= of;
    if (!last && now - told < (out.isTTY ? TERMINAL_MS : ELSEWHERE_MS)) return;
    told = now;
    const rate = Math.round((done - first) / Math.max(0.001, (now - begun) / 1_000));
    const line = `${unit} ${done} of ${of}, ${rate} a second${more && `, ${more}`}`;
    out.write(out.isTTY ? `\r${line}\u001b[K${last ? "\n" : ""}` : `${line}\n`);
  };
}
