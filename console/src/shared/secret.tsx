/** A secret that is shown once: a key, or a webhook's signing secret. Only this page holds it. */
import { Alert, Button, Typography } from "antd";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("secret", {
  "zh-CN": {
    "secret.copy": "复制",
    "secret.copied": "已复制",
    "secret.kept": "已妥善保存",
    "secret.lost": "响应在途中丢失，而密钥不会保存，无法再次显示。请吊销或更换后重新创建。",
  },
  "en-US": {
    "secret.copy": "Copy",
    "secret.copied": "Copied",
    "secret.kept": "I have saved it",
    "secret.lost":
      "The response was lost, and the secret is not stored. Revoke or rotate it, then create a new one.",
  },
});

/**
 * `text` is undefined if the request was a repeat: the repeated response no longer has the secret.
 */
export function Secret({
  title,
  detail,
  text,
  onClose,
}: {
  title: string;
  detail: string;
  text: string | undefined;
  onClose: () => void;
}) {
  const say = useWords();
  return (
    <Alert
      type="warning"
      showIcon
      role="alert"
      title={title}
      description={
        <div className="stack">
          <span>{text === undefined ? say("secret.lost") : detail}</span>
          {text === undefined ? null : (
            <Typography.Text
              code
              copyable={{ text, tooltips: [say("secret.copy"), say("secret.copied")] }}
              className="secret"
            >
              {text}
            </Typography.Text>
          )}
          <div>
            <Button onClick={onClose}>{say("secret.kept")}</Button>
          </div>
        </div>
      }
    />
  );
}
