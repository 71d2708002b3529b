/**
 * Progress of the benchmark: a bar on a terminal, a line per step elsewhere. On standard error, so
 * that the results can be piped.
 */
import cliProgress from "cli-progress";

export type Progress = {
  say(line: string): void;
  /** Runs a step that takes about this many seconds; `count` returns what has been done so far. */
  step<T>(
    name: string,
    seconds: number,
    count: () => Promise<number>,
    work: () => Promise<T>,
  ): Promise<T>;
  stop(): void;
};

const TICK_MS = 500;
/** Without a bar, a long step reports its progress this often. */
const LINE_MS = 15_000;

/** @param seconds Time of all steps together. */
export function createProgress(seconds: number): Progress {
  const began = performance.now();
  const terminal = process.stderr.isTTY === true;
  const bar = terminal
    ? new cliProgress.SingleBar({
        format: "{bar} {percentage} %  {elapsed} of about {all} s  {name}  {count}",
        hideCursor: true,
        clearOnComplete: true,
        stream: process.stderr,
      })
    : undefined;
  let passed = 0;
  const elapsed = () => ((performance.now() - began) / 1_000).toFixed(0);
  const show = (name: string, within: number, count: number) =>
    bar?.update(Math.min(seconds, passed + within), {
      name,
      count: count === 0 ? "" : String(count),
      elapsed: elapsed(),
      all: Math.round(seconds),
    });
  bar?.start(Math.ceil(seconds), 0, {
    name: "starting",
    count: "",
    elapsed: "0",
    all: Math.round(seconds),
  });
  const line = (text: string) => {
    if (!bar) process.stderr.write(`${elapsed().padStart(4)} s  ${text}\n`);
  };
  return {
    say: line,
    async step(name, expected, count, work) {
      const since = performance.now();
      const tell = (done: number) => {
        if (bar) show(name, Math.min(expected, (performance.now() - since) / 1_000), done);
        else line(`${name}: ${done} so far`);
      };
      const timer = setInterval(() => void count().then(tell, () => {}), bar ? TICK_MS : LINE_MS);
      try {
        show(name, 0, 0);
        return await work();
      } finally {
        clearInterval(timer);
        passed += expected;
        line(name);
      }
    },
    stop: () => bar?.stop(),
  };
}
