/**
 * Structured logs. They never contain secrets or documents: callers log ids, and this file also
 * cuts out fields that could carry a secret.
 */
import { type DestinationStream, pino } from "pino";

export type Log = Pick<ReturnType<typeof pino>, "info" | "warn" | "error" | "debug" | "child">;

export function createLog(level: string, stream?: DestinationStream): ReturnType<typeof pino> {
  const options = {
    level,
    redact: {
      paths: [
        "req.headers.authorization",
        "req.headers.cookie",
        "*.secret",
        "*.privateKey",
        "*.password",
        "authorization",
      ],
      censor: "[cut]",
    },
  };
  return stream ? pino(options, stream) : pino(options);
}
