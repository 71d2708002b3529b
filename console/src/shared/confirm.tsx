/**
 * Asking before something is done: what will happen, and what of it cannot be undone, before the
 * button that does it.
 *
 *   const ask = useConfirm();
 *   if (await ask({ title: …, detail: …, final: "…cannot be taken back", yes: "Reimburse" })) act.mutate(…);
 */
import { Alert, App } from "antd";
import { type ReactNode, useEffect } from "react";
import { useSharedWords } from "./messages.ts";

export type Question = {
  title: string;
  detail?: ReactNode;
  /** What cannot be undone. The button is then a red one, and the safe one has the focus. */
  final?: string;
  yes?: string;
};

const page = () => document.getElementById("root");
/** Before the dialog closes: it gives the focus back to the page. */
const release = () => page()?.removeAttribute("inert");

/**
 * While a question is open, nothing behind it can be reached, by pointer, keyboard or screen
 * reader.
 */
function Apart() {
  useEffect(() => {
    // After the dialog has kept what had the focus: an inert page has none.
    const timer = setTimeout(() => page()?.setAttribute("inert", ""), 0);
    return () => {
      clearTimeout(timer);
      release();
    };
  }, []);
  return null;
}

export function useConfirm(): (question: Question) => Promise<boolean> {
  const { modal } = App.useApp();
  const say = useSharedWords();
  return ({ title, detail, final, yes }) =>
    new Promise((resolve) => {
      modal.confirm({
        title,
        content: (
          <>
            <Apart />
            {detail}
            {final === undefined ? null : (
              <Alert type="warning" showIcon title={say("confirm.final")} description={final} />
            )}
          </>
        ),
        okText: yes ?? say("confirm"),
        cancelText: say("cancel"),
        okButtonProps: { danger: final !== undefined },
        autoFocusButton: final === undefined ? "ok" : "cancel",
        onOk: () => {
          release();
          resolve(true);
        },
        onCancel: () => {
          release();
          resolve(false);
        },
      });
    });
}
