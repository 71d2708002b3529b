/** What is shown once: a key, a webhook's secret. It is on this page alone, and gone with it. */
import { Alert, Button, Typography } from "antd";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("secret", {
  "zh-CN": {
    "secret.copy": "复制",
    "secret.copied": "已复制",
    "secret.kept": "已妥善保存",
    "secret.lost": "答复在途中丢失，而秘密不会保存。请吊销或更换它，再生成一个。",
  },
  "en-US": {
    "secret.copy": "Copy",
    "secret.copied": "Copied",
    "secret.kept": "I have kept it",
    "secret.lost":
      "The answer was lost on its way, and the secret is not stored. Revoke or rotate it, and make another.",
  },
});

/** Without `text`: a repeated request was answered, and its answer has no secret any more. */
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
