/**
 * Before any schema is made: the page's policy forbids code made at run time, and trying it would
 * be reported as a breach.
 */
import { config } from "zod";

config({ jitless: true });
