/** CPU time and memory of processes, from /proc. On other systems the values are NaN. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second in /proc/PID/stat (USER_HZ), the same on every Linux. */
const TICKS = 100;

/**
 * Fields of /proc/PID/stat after the name, which may contain spaces; undefined for an unknown
 * process.
 */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

export const parentOf = (pid: number): number => Number(statOf(pid)?.[1] ?? Number.NaN);

/** Processes whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync("/proc").flatMap((name) =>
      /^\d+$/.test(name) && parentOf(Number(name)) === pid ? [Number(name)] : [],
    );
  } catch {
    return [];
  }
}

/** Seconds of CPU that a process and its living and ended children have used. */
export function cpuOf(pid: number): number {
  const stat = statOf(pid);
  if (!stat) return Number.NaN;
  // the process's own time, and that of ended children; living children count for themselves
  const own = [11, 12, 13, 14].reduce((sum, field) => sum + Number(stat[field]), 0) / TICKS;
  return childrenOf(pid).reduce((sum, child) => sum + (cpuOf(child) || 0), own);
}

/**
 * Bytes in memory. For a tree: the private memory of each process, and shared memory once (PSS).
 */
export function memoryOf(pid: number): number {
  const read = (id: number): number => {
    try {
      const [, kilobytes] =
        /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8")) ?? [];
      return Number(kilobytes) * 1_024;
    } catch {
      return Number.NaN;
    }
  };
  return childrenOf(pid).reduce((sum, child) => sum + (memoryOf(child) || 0), read(pid));
}

/** Bytes resident of one process. */
export function rssOf(pid: number): number {
  try {
    const [, kilobytes] =
      /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) * 1_024;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of CPU that everything on the machine has used since it started. */
export function machineCpu(): number {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + irq + softirq) / TICKS;
  } catch {
    return Number.NaN;
  }
}
