/** The worker process that checks a stranger's input (checker.ts). */
import { serve } from "../../kernel/workers.ts";
import { checker } from "./checker.ts";

serve(checker);
