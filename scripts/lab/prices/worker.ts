/** Walks the ranges of prices that it is sent, and answers each. */
import { parentPort } from "node:worker_threads";
import { type Range, walk } from "./walk.ts";

parentPort?.on("message", (range: Range) => parentPort?.postMessage(walk(range)));
