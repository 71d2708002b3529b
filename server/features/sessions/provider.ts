/**
 * Signing in at the operator's identity provider: OpenID Connect, authorization code flow with PKCE (RFC 9700 §2.1).
 *
 *   page → POST /v1/sign-in          where to send the browser, and the flow, sealed
 *   browser → provider → /sign-in    the provider's answer comes back in the address of the console's page
 *   page → POST /v1/sign-in/answer   the answer, with the flow: the parties that the person may act for, and a proof of who it is
 *   page → POST /v1/session          one of these, with the proof
 *
 * The flow stays in the tab that began it: an answer that somebody else slips into a browser finds none. Flow and proof are sealed, so
 * there is nothing to store. Owns the talk with the provider; whose key is whose stands in keys/api-keys.ts.
 */
import * as oidc from "openid-client";
import type { Config } from "../../kernel/config.ts";
import type { Log } from "../../kernel/log.ts";
import { Problem } from "../../kernel/problems.ts";
import type { Person } from "../../keys/api-keys.ts";
import type { Vault } from "../../keys/vault.ts";

/** So long a person may take at the provider, and to choose a party. */
const FLOW_MINUTES = 10;
const PROOF_MINUTES = 5;
/** The provider's own description is read again after so long: its endpoints may move. */
const DESCRIPTION_MS = 3_600_000;
const TIMEOUT_SECONDS = 10;
/** Characters of the longest address (RFC 5321 §4.5.3.1), as POST /v1/api-keys takes it. */
const MAX_NAME = 320;

export type ProviderSettings = {
  issuer: string;
  clientId: string;
  clientSecret: string | undefined;
  /** What the sign-in page calls it. */
  name: string;
  scope: string;
  /** The claim that names a person. */
  claim: string;
};
/** Undefined where no provider is set. */
export const providerSettings = (config: Config): ProviderSettings | undefined =>
  config.OIDC_ISSUER === undefined || config.OIDC_CLIENT_ID === undefined
    ? undefined
    : {
        issuer: config.OIDC_ISSUER,
        clientId: config.OIDC_CLIENT_ID,
        clientSecret: config.OIDC_CLIENT_SECRET,
        name: config.OIDC_NAME,
        scope: config.OIDC_SCOPE,
        claim: config.OIDC_CLAIM,
      };
export type Provider = ReturnType<typeof createProvider>;

type Flow = { verifier: string; state: string; nonce: string };

/** `publicUrl`: where the gateway is reached from outside, without a slash at its end. `timeoutSeconds`: for each question to the provider. */
type Deps = { settings: ProviderSettings; vault: Vault; publicUrl: () => string; log: Log; timeoutSeconds?: number };

export function createProvider({ settings, vault, publicUrl, log, timeoutSeconds = TIMEOUT_SECONDS }: Deps) {
  const { issuer, clientId, clientSecret, name, scope, claim } = settings;
  let described: { configuration: Promise<oidc.Configuration>; until: number } | undefined;

  /** What this gateway hands out and reads again itself, for so long. */
  const sealFor = <T extends object>(what: "flow" | "proof", minutes: number, content: T): string =>
    vault.seal("parties", `sign-in/${what}`, JSON.stringify({ ...content, until: Date.now() + minutes * 60_000 })).toString("base64url");
  function open<T>(what: "flow" | "proof", sealed: string): T {
    try {
      const content = JSON.parse(vault.open("parties", `sign-in/${what}`, Buffer.from(sealed, "base64url")).toString()) as T & { until: number };
      if (content.until > Date.now()) return content;
    } catch {
      // not of our making
    }
    throw new Problem("sign-in-refused", "It has taken too long, or was not begun here: sign in once more");
  }

  const absent = (error: unknown): Problem => {
    log.warn({ error: wordsOf(error) }, "the identity provider does not answer");
    return new Problem("unavailable", "The identity provider does not answer as it should");
  };

  async function configuration(): Promise<oidc.Configuration> {
    if (described === undefined || described.until < Date.now()) {
      const client = clientSecret === undefined ? oidc.None() : undefined;
      const options = {
        timeout: timeoutSeconds,
        execute: [oidc.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : [])],
      };
      described = { configuration: oidc.discovery(new URL(issuer), clientId, clientSecret, client, options), until: Date.now() + DESCRIPTION_MS };
    }
    try {
      return await described.configuration;
    } catch (error) {
      described = undefined;
      throw absent(error);
    }
  }

  const redirectUri = () => `${publicUrl()}/sign-in`;

  /** What the provider calls the person: in the token, or where it is asked for. */
  async function nameOf(config: oidc.Configuration, accessToken: string, claims: Record<string, unknown> & { sub: string }): Promise<string> {
    const needed = claim === "email" ? ["email", "email_verified"] : [claim];
    const asked = needed.some((one) => claims[one] === undefined) && config.serverMetadata().userinfo_endpoint !== undefined;
    const told = asked ? await oidc.fetchUserInfo(config, accessToken, claims.sub) : claims;
    const found = told[claim];
    if (typeof found !== "string" || found === "" || found.length > MAX_NAME)
      throw new Problem("sign-in-refused", `The identity provider does not tell ${claim}`);
    if (claim === "email" && told["email_verified"] !== true) throw new Problem("sign-in-refused", "The identity provider has not verified the email address");
    return found;
  }

  return {
    name,

    /** Where to send the browser. Throws unavailable. */
    async begin(): Promise<{ href: string; flow: string }> {
      const config = await configuration();
      const flow: Flow = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
      const href = oidc.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri(),
        scope,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: "S256",
        state: flow.state,
        nonce: flow.nonce,
      });
      return { href: href.href, flow: sealFor("flow", FLOW_MINUTES, flow) };
    },

    /** Who has signed in. `query`: what the provider has added to the page's address. Throws sign-in-refused, unavailable. */
    async finish(sealed: string, query: string): Promise<Person> {
      const { verifier, state, nonce } = open<Flow>("flow", sealed);
      const config = await configuration();
      try {
        const tokens = await oidc.authorizationCodeGrant(config, new URL(`${redirectUri()}?${query}`), {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined) throw new Problem("sign-in-refused", "The identity provider has sent no ID token");
        return { issuer: claims.iss, subject: claims.sub, name: await nameOf(config, tokens.access_token, claims) };
      } catch (error) {
        if (error instanceof Problem) throw error;
        if (isAbsence(error)) throw absent(error);
        log.warn({ error: wordsOf(error) }, "a sign-in is refused");
        throw new Problem("sign-in-refused", "The identity provider's answer does not say who this is: sign in once more");
      }
    },

    prove: (person: Person): string => sealFor("proof", PROOF_MINUTES, person),
    /** Throws sign-in-refused. */
    proven: (proof: string): Person => open<Person>("proof", proof),
  };
}

/** Not what was sent with it: there are tokens in it. */
const wordsOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : "no error");
/** Nobody is there, or not in time, or broken. What the provider refuses, and what it signs wrongly, is no absence. */
function isAbsence(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TypeError || error.name === "TimeoutError" || (error as { code?: string }).code === "OAUTH_TIMEOUT") return true;
  return error.cause instanceof Response && error.cause.status >= 500;
}
