/**
 * The identity provider of this gateway, where there is one: what it is called, and the form fields
 * with which a key is made for somebody who signs in there.
 */
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Form, Input, Radio } from "antd";
import { ask } from "./client.ts";
import { wordsOf } from "./words.ts";

const useWords = wordsOf("provider", {
  "zh-CN": {
    how: "以何种方式使用",
    "how.secret": "密钥：显示一次，用于软件，或交给本人",
    "how.person": "由本人在“{{provider}}”登录，不需要密钥",
    person: "本人在“{{provider}}”的名称（通常是邮箱）",
    "person.missing": "请输入名称",
    "person.note": "以这个名称首先登录的人得到此权限；以后即使名称转给他人，权限也不会随之转移。",
    made: "{{name}} 现在可以在“{{provider}}”登录",
    "made.detail": "没有需要交付的密钥。要收回权限，请在密钥列表中收回。",
    close: "知道了",
    waiting: "尚未登录",
  },
  "en-US": {
    how: "How it is used",
    "how.secret": "A key: shown once, for software or to be handed over",
    "how.person": "The person signs in at {{provider}}, without a key",
    person: "The person's name at {{provider}}, mostly an email address",
    "person.missing": "Enter the name",
    "person.note":
      "Whoever first signs in under this name has it from then on; if the name is given to somebody else later, this is not.",
    made: "{{name}} can sign in at {{provider}} now",
    "made.detail": "There is no key to hand over. To take it back, revoke it in the list.",
    close: "Close",
    waiting: "not signed in yet",
  },
});

/** Its name; undefined while it is not known, and where there is none. */
export function useProvider(): string | undefined {
  const { data } = useQuery({
    queryKey: ["sign-in"],
    queryFn: () => ask("GET /v1/sign-in"),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data?.provider?.name;
}

/** What the fields give; the name of the person, if it is one who signs in. */
export type ByPerson = { how?: "secret" | "person"; person?: string };
export const personOf = ({ how, person }: ByPerson): { signIn?: string } =>
  how === "person" && person !== undefined ? { signIn: person.trim() } : {};

/** Fields of a form that makes a key; nothing where there is no provider. */
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

/** In place of a key that would be shown once. */
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

/** Of a key in a list: who signs in to use it, and whether anybody has yet. */
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
