/**
 * The progress of a long command, on standard error: on a terminal one line that is updated,
 * elsewhere a line every few seconds.
 */
const TERMINAL_MS = 200;
const ELSEWHERE_MS = 5_000;

/**
 * Reports `done` of `total` in `unit`, with their rate for each second and optional details; always
 * reports the last step.
 */
export function createProgress(unit: string, out: NodeJS.WriteStream = process.stderr) {
  const begun = performance.now();
  let first: number | undefined;
  let lastReport = Number.NEGATIVE_INFINITY;
  return ({ done, total }: { done: number; total: number }, more = ""): void => {
    const now = performance.now();
    first ??= done;
    const last = done >= total;
    if (!last && now - lastReport < (out.isTTY ? TERMINAL_MS : ELSEWHERE_MS)) return;
    lastReport = now;
    const rate = Math.round((done - first) / Math.max(0.001, (now - begun) / 1_000));
    const line = `${unit} ${done} of ${total}, ${rate} a second${more && `, ${more}`}`;
    out.write(out.isTTY ? `\r${line}\u001b[K${last ? "\n" : ""}` : `${line}\n`);
  };
}
