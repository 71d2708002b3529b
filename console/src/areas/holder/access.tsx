/**
 * A person's own keys. With one that it has made itself it can go on when its employer lets it go.
 */
import { Page } from "../../shared/frame.tsx";
import { Keys } from "../../shared/keys.tsx";
import { useWords } from "./messages.ts";

export function AccessPage() {
  const say = useWords();
  return (
    <Page title={say("nav.access")}>
      <Keys first="holder" own />
    </Page>
  );
}
