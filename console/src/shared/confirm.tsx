/**
 * Asks before an act: the dialog says what will happen, and what cannot be undone, above the button
 * that does it.
 *
 *   const ask = useConfirm();
 *   const question = { title: …, detail: …, final: "You cannot undo this.", yes: "Reimburse" };
 *   if (await ask(question)) act.mutate(…);
 */
import { Alert, App } from "antd";
import { type ReactNode, useEffect } from "react";
import { useSharedWords } from "./messages.ts";

export type Question = {
  title: string;
  detail?: ReactNode;
  /**
   * What cannot be undone. The confirming button is then red, and the cancelling one has the focus.
   */
  final?: string;
  yes?: string;
};

const page = () => document.getElementById("root");
/** Runs before the dialog closes, because the dialog then gives the focus back to the page. */
const release = () => page()?.removeAttribute("inert");

/**
 * While the dialog is open, pointer, keyboard and screen reader cannot reach the page behind it.
 */
function Apart() {
  useEffect(() => {
    // after the dialog has stored the focused element: an inert page has no focus
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
