/**
 * An identity provider in this process: a certified OpenID Connect server with its own sign-in
 * page, as an operator would run one next to the gateway. It accepts every known login without a
 * password.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { Configuration } from "oidc-provider";

export type KnownPerson = { email: string; email_verified: boolean };
export type IdentityProvider = Awaited<ReturnType<typeof openIdentityProvider>>;

/** A server whose address is known before its handler. */
export async function openListener(): Promise<{
  url: string;
  answer(listener: RequestListener): void;
  close(): Promise<void>;
}> {
  let listener: RequestListener = (_request, response) => void response.writeHead(503).end();
  const server = createServer((request, response) => listener(request, response)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: (next) => {
      listener = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * `people`: by login, which is also their subject. The provider knows its client after `serve` has
 * the client's address.
 */
export async function openIdentityProvider(people: ReadonlyMap<string, KnownPerson>) {
  const listener = await openListener();
  const [clientId, clientSecret] = ["onepiao-gateway", randomBytes(24).toString("base64url")];
  return {
    settings: {
      OIDC_ISSUER: listener.url,
      OIDC_CLIENT_ID: clientId,
      OIDC_CLIENT_SECRET: clientSecret,
    },
    close: () => listener.close(),
    /** `gateway`: its address. */
    async serve(gateway: string, more: Configuration = {}): Promise<void> {
      const { Provider } = await import("oidc-provider");
      const provider = new Provider(listener.url, {
        clients: [
          {
            client_id: clientId,
            client_secret: clientSecret,
            token_endpoint_auth_method: "client_secret_post",
            redirect_uris: [`${gateway}/sign-in`],
          },
        ],
        claims: { openid: ["sub"], email: ["email", "email_verified"] },
        findAccount: (_context, sub) => {
          const person = people.get(sub);
          return person && { accountId: sub, claims: () => ({ sub, ...person }) };
        },
        ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
        cookies: { keys: [randomBytes(16).toString("hex")] },
        ...more,
      });
      listener.answer(provider.callback());
    },
  };
}

/** A browser at the provider: its cookies, and the prompts that it got there. */
export type Browser = { jar: Map<string, string>; prompts: string[] };
export const openBrowser = (): Browser => ({ jar: new Map(), prompts: [] });

/**
 * The steps of a browser that is redirected to end its session: it confirms on the provider's page.
 */
export async function signOutThere(href: string, { jar }: Browser): Promise<void> {
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const keep = (response: Response) => {
    for (const set of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
  };
  const page = await fetch(href, { redirect: "manual", headers: { cookie: cookie() } });
  keep(page);
  const text = await page.text();
  const [action, xsrf] = [
    /<form[^>]* action="([^"]+)"/.exec(text)?.[1],
    /name="xsrf" value="(\w+)"/.exec(text)?.[1],
  ];
  if (page.status !== 200 || action === undefined || xsrf === undefined)
    throw new Error(`The provider says ${page.status}: ${text.slice(0, 500)}`);
  const done = await fetch(new URL(action, href), {
    method: "POST",
    redirect: "manual",
    headers: { cookie: cookie() },
    body: new URLSearchParams({ xsrf, logout: "yes" }),
  });
  keep(done);
  if (done.status >= 400)
    throw new Error(`The provider says ${done.status}: ${(await done.text()).slice(0, 500)}`);
}

/**
 * The steps of a browser from `href` on: it signs in and consents on the provider's pages. Returns
 * the parameters that it brings back to the gateway's page.
 */
export async function signInThere(
  href: string,
  login: string,
  { jar, prompts }: Browser = openBrowser(),
): Promise<string> {
  let url = new URL(href);
  const provider = url.origin;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step += 1) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie },
      ...(form ? { method: "POST", body: form } : {}),
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      jar.set(name, value);
    }
    const next = response.headers.get("location");
    if (next !== null) {
      url = new URL(next, url);
      form = undefined;
      if (url.origin !== provider) return url.search.slice(1);
      continue;
    }
    const page = await response.text();
    const [action, prompt] = [
      /<form[^>]* action="([^"]+)"/.exec(page)?.[1],
      /name="prompt" value="(\w+)"/.exec(page)?.[1],
    ];
    if (response.status !== 200 || action === undefined || prompt === undefined)
      throw new Error(`The provider says ${response.status}: ${page.slice(0, 500)}`);
    prompts.push(prompt);
    url = new URL(action, url);
    form = new URLSearchParams(
      prompt === "login" ? { prompt, login, password: "any" } : { prompt },
    );
  }
  throw new Error("The provider does not come to an end");
}
