/** Who acts for the bureau: keys of its officers and of its software. */
import { Page } from "../../shared/frame.tsx";
import { Keys } from "../../shared/keys.tsx";
import { useWords } from "./messages.ts";

export function AccessPage() {
  const say = useWords();
  return (
    <Page title={say("page.access")}>
      <Keys first="bureau" own />
    </Page>
  );
}
