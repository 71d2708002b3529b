/**
 * The gateway's identity provider, if it has one: its name, and the form fields for access by a
 * person who signs in there.
 */
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Form, Input, Radio } from "antd";
import { ask } from "./client.ts";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("provider", {
  "zh-CN": {
    how: "使用方式",
    "how.secret": "密钥：只显示一次，用于软件或交给本人",
    "how.person": "由本人在“{{provider}}”登录，不需要密钥",
    person: "本人在“{{provider}}”的名称（通常是邮箱）",
    "person.missing": "请输入名称",
    "person.note": "首个以此名称登录的人获得此权限。以后该名称即使转给他人，权限也不会随之转移。",
    made: "{{name}} 现在可以在“{{provider}}”登录",
    "made.detail": "没有需要交付的密钥。如需取消权限，请在密钥列表中吊销。",
    close: "知道了",
    waiting: "尚未登录",
  },
  "en-US": {
    how: "Used by",
    "how.secret": "Key: shown once, for software or to hand over",
    "how.person": "The person signs in at {{provider}}, without a key",
    person: "Name at {{provider}}, usually an email address",
    "person.missing": "Enter the name",
    "person.note":
      "The first person to sign in under this name gets this access. If the name later passes to somebody else, the access does not.",
    made: "{{name}} can now sign in at {{provider}}",
    "made.detail":
      "There is no key to hand over. To end this access, revoke it in the list of keys.",
    close: "Close",
    waiting: "Not signed in yet",
  },
});

/** The provider's name. Undefined while it loads, and if there is no provider. */
export function useProvider(): string | undefined {
  const { data } = useQuery({
    queryKey: ["sign-in"],
    queryFn: () => ask("GET /v1/sign-in"),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data?.provider?.name;
}

/** The values of the fields, with the person's name if a person signs in. */
export type ByPerson = { how?: "secret" | "person"; person?: string };
export const personOf = ({ how, person }: ByPerson): { signIn?: string } =>
  how === "person" && person !== undefined ? { signIn: person.trim() } : {};

/** Fields for a form that creates a key. Renders nothing without a provider. */
export function ByPersonFields() {
  const say = useWords();
  const provider = useProvider();
  const how = Form.useWatch<ByPerson["how"]>("how");
  if (provider === undefined) return null;
  return (
    <>
      <Form.Item name="how" label={say("how")} initialValue="secret">
        <Radio.Group
          vertical
          options={[
            { value: "secret", label: say("how.secret") },
            { value: "person", label: say("how.person", { provider }) },
          ]}
        />
      </Form.Item>
      {how === "person" ? (
        <Form.Item
          name="person"
          label={say("person", { provider })}
          extra={say("person.note")}
          rules={[{ required: true, whitespace: true, message: say("person.missing") }]}
        >
          <Input maxLength={320} autoComplete="off" spellCheck={false} />
        </Form.Item>
      ) : null}
    </>
  );
}

/** Shown in place of the key's token. */
export function PersonMade({ name, onClose }: { name: string; onClose?: () => void }) {
  const say = useWords();
  const provider = useProvider() ?? "";
  return (
    <div className="stack">
      <Alert
        type="success"
        showIcon
        role="status"
        title={say("made", { name, provider })}
        description={say("made.detail")}
      />
      {onClose ? (
        <div>
          <Button onClick={onClose}>{say("close")}</Button>
        </div>
      ) : null}
    </div>
  );
}

/** In a list of keys: who signs in to use the key, and whether they have done so yet. */
export function SignsIn({
  signIn,
  signedInAt,
}: {
  signIn?: string | undefined;
  signedInAt?: string | undefined;
}) {
  const say = useWords();
  if (signIn === undefined) return null;
  return (
    <div className="quiet small breaks">
      {signIn}
      {signedInAt === undefined ? ` · ${say("waiting")}` : ""}
    </div>
  );
}
