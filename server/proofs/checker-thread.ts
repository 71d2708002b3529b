/** The thread that checks what strangers give (checker.ts). */
import { serve } from "../kernel/threads.ts";
import { checker } from "./checker.ts";

serve(checker);
