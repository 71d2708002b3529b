/** The public page: verify an invoice. */
import { Page } from "../../shared/frame.tsx";

export function Component() {
  return <Page title="查验">…</Page>;
}
