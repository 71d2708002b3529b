/**
 * A person's own keys. With a key of their own, a person keeps access after leaving the employer.
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
