/** The worker process that checks what strangers give (checker.ts). */
import { serve } from "../../kernel/workers.ts";
import { checker } from "./checker.ts";

serve(checker);
