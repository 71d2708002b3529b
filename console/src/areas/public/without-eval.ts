/**
 * Runs before any schema is made: the page's policy forbids generated code, and an attempt would be
 * reported as a violation.
 */
import { config } from "zod";

config({ jitless: true });
