/** What is shown once: a key, a webhook's secret. It is on this page alone, and gone with it. */
import { Alert, Button, Typography } from "antd";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("secret", {
  "zh-CN": {
    "secret.copy": "复制",
    "secret.copied": "已复制",
    "secret.kept": "已妥善保存",
  },
  "en-US": {
    "secret.copy": "Copy",
    "secret.copied": "Copied",
    "secret.kept": "I have kept it",
  },
});

export function Secret({ title, detail, text, onClose }: { title: string; detail: string; text: string; onClose: () => void }) {
  const say = useWords();
  return (
    <Alert
      type="warning"
      showIcon
      role="alert"
      title={title}
      description={
        <div className="stack">
          <span>{detail}</span>
          <Typography.Text code copyable={{ text, tooltips: [say("secret.copy"), say("secret.copied")] }} className="secret">
            {text}
          </Typography.Text>
          <div>
            <Button onClick={onClose}>{say("secret.kept")}</Button>
          </div>
        </div>
      }
    />
  );
}
