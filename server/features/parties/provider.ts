/**
 * Signing in at the operator's identity provider: OpenID Connect, authorization code flow with PKCE
 * (RFC 9700 §2.1).
 *
 *   page → POST /v1/sign-in          where to send the browser, and the flow, sealed
 *   browser → provider → /sign-in    the provider's answer comes back in the address of the console's page
 *   page → POST /v1/sign-in/answer   the answer, with the flow: the parties that the person may act for, and a proof of who it is
 *   page → POST /v1/session          one of these, with the proof
 *
 * The flow stays in the tab that began it: an answer that an attacker slips into a browser finds no
 * flow. Flow and proof are sealed, so nothing is stored until one is used; each is used once. The
 * provider's answers are bounded in bytes and in time, and its endpoints are checked before a
 * browser is sent there. Owns the talk with the provider. Does not own: who has which key
 * (api-keys.ts).
 */
import { createHash } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import * as oidc from "openid-client";
import type { Config } from "../../kernel/config.ts";
import type { Log } from "../../kernel/log.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Person } from "./api-keys.ts";

/** How long a person may take at the provider, and to choose a party. */
const FLOW_MINUTES = 10;
const PROOF_MINUTES = 5;
/** How long the provider's description is kept: its endpoints may move. */
const DESCRIPTION_MS = 3_600_000;
const TIMEOUT_SECONDS = 10;
/** Most bytes of an answer of the provider. */
const MAX_ANSWER = 1_048_576;
/**
 * Longest ID token, in characters, that is kept for signing out; without it the provider asks the
 * person.
 */
const MAX_TOKEN = 8_000;
/** Characters of the longest address (RFC 5321 §4.5.3.1), as POST /v1/api-keys takes it. */
const MAX_NAME = 320;

export type ProviderSettings = {
  issuer: string;
  clientId: string;
  clientSecret: string | undefined;
  /** The provider's name on the sign-in page. */
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
/** A flow or a proof that was used: it is good once. */
export type Used = { hash: Buffer; until: Date };
/**
 * A person who has signed in. `leave`: where a browser ends its session at the provider; absent if
 * the provider has no such address.
 */
export type SignedIn = Person & { leave?: string | undefined };

/**
 * `fetch` with a bound on the answer: past the bound it throws a TypeError, as for an answer that
 * breaks off.
 */
async function boundedFetch(url: string, options: RequestInit): Promise<Response> {
  const { body, status, statusText, headers } = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    // leaving the loop closes the connection
    if (size > MAX_ANSWER) throw new TypeError(`the answer has more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return new Response(size === 0 ? null : Buffer.concat(chunks), { status, statusText, headers });
}

/**
 * `publicUrl`: the gateway's address from outside, without a trailing slash. `timeoutSeconds`: for
 * each request to the provider.
 */
type Deps = {
  settings: ProviderSettings;
  vault: Vault;
  publicUrl: () => string;
  log: Log;
  timeoutSeconds?: number;
};

export function createProvider({
  settings,
  vault,
  publicUrl,
  log,
  timeoutSeconds = TIMEOUT_SECONDS,
}: Deps) {
  const { issuer, clientId, clientSecret, name, scope, claim } = settings;
  let described: { configuration: Promise<oidc.Configuration>; until: number } | undefined;

  /** Seals what this gateway hands out and later reads again, valid for these minutes. */
  const sealFor = <T extends object>(
    purpose: "flow" | "proof",
    minutes: number,
    content: T,
  ): string =>
    vault
      .seal(
        "parties",
        `sign-in/${purpose}`,
        JSON.stringify({ ...content, until: Date.now() + minutes * 60_000 }),
      )
      .toString("base64url");
  function open<T>(purpose: "flow" | "proof", sealed: string): { content: T; used: Used } {
    try {
      const bytes = Buffer.from(sealed, "base64url");
      const content = JSON.parse(
        vault.open("parties", `sign-in/${purpose}`, bytes).toString(),
      ) as T & { until: number };
      // hash the bytes: one value may be written in more than one way
      const used = {
        hash: createHash("sha256").update(bytes).digest(),
        until: new Date(content.until),
      };
      if (content.until > Date.now()) return { content, used };
    } catch {
      // not made by us
    }
    throw new Problem(
      "sign-in-refused",
      "It has taken too long, or was not begun here: sign in once more",
    );
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
        execute: [
          oidc.enableNonRepudiationChecks,
          ...(issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : []),
        ],
        [oidc.customFetch]: boundedFetch as oidc.CustomFetch,
      };
      const discovered = oidc
        .discovery(new URL(issuer), clientId, clientSecret, client, options)
        .then((config) => {
          checkEndpoints(config.serverMetadata());
          return config;
        });
      described = { configuration: discovered, until: Date.now() + DESCRIPTION_MS };
    }
    try {
      return await described.configuration;
    } catch (error) {
      described = undefined;
      throw absent(error);
    }
  }

  /**
   * Throws for a description that lacks an endpoint, or that would send a browser or a secret where
   * there is no TLS.
   */
  function checkEndpoints(metadata: oidc.ServerMetadata): void {
    const plain = issuer.startsWith("http:");
    for (const member of [
      "authorization_endpoint",
      "token_endpoint",
      "jwks_uri",
      "userinfo_endpoint",
      "end_session_endpoint",
    ] as const) {
      const value = metadata[member];
      const needed = member !== "userinfo_endpoint" && member !== "end_session_endpoint";
      if (value === undefined && !needed) continue;
      const protocol = URL.parse(String(value))?.protocol;
      if (protocol !== "https:" && !(plain && protocol === "http:"))
        throw new Error(`the description's ${member} is not an https URL`);
    }
  }

  const redirectUri = () => `${publicUrl()}/sign-in`;

  /** The provider's name for the person: in the token, or from its userinfo endpoint. */
  async function nameOf(
    config: oidc.Configuration,
    accessToken: string,
    claims: Record<string, unknown> & { sub: string },
  ): Promise<string> {
    const needed = claim === "email" ? ["email", "email_verified"] : [claim];
    const asked =
      needed.some((claimName) => claims[claimName] === undefined) &&
      config.serverMetadata().userinfo_endpoint !== undefined;
    const answered = asked ? await oidc.fetchUserInfo(config, accessToken, claims.sub) : claims;
    const name = answered[claim];
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME)
      throw new Problem("sign-in-refused", `The identity provider does not state ${claim}`);
    if (claim === "email" && answered["email_verified"] !== true)
      throw new Problem(
        "sign-in-refused",
        "The identity provider has not verified the email address",
      );
    return name;
  }

  return {
    name,

    /**
     * Where to send the browser. `again`: the person has signed out before, so the provider asks
     * who it is. Throws unavailable.
     */
    async begin({ again }: { again: boolean }): Promise<{ href: string; flow: string }> {
      const config = await configuration();
      const flow: Flow = {
        verifier: oidc.randomPKCECodeVerifier(),
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
      };
      const href = oidc.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri(),
        scope,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: "S256",
        state: flow.state,
        nonce: flow.nonce,
        ...(again ? { prompt: "login" } : {}),
      });
      return { href: href.href, flow: sealFor("flow", FLOW_MINUTES, flow) };
    },

    /**
     * The person who has signed in. `query`: what the provider has added to the page's address.
     * Throws sign-in-refused, unavailable.
     */
    async finish(sealed: string, query: string): Promise<{ person: SignedIn; used: Used }> {
      const { content, used } = open<Flow>("flow", sealed);
      const { verifier, state, nonce } = content;
      const config = await configuration();
      try {
        const tokens = await oidc.authorizationCodeGrant(
          config,
          new URL(`${redirectUri()}?${query}`),
          {
            pkceCodeVerifier: verifier,
            expectedState: state,
            expectedNonce: nonce,
            idTokenExpected: true,
          },
        );
        const claims = tokens.claims();
        if (claims === undefined)
          throw new Problem("sign-in-refused", "The identity provider has sent no ID token");
        const name = await nameOf(config, tokens.access_token, claims);
        return {
          person: {
            issuer: claims.iss,
            subject: claims.sub,
            name,
            leave: leaving(config, tokens.id_token),
          },
          used,
        };
      } catch (error) {
        if (error instanceof Problem) throw error;
        if (isAbsence(error)) throw absent(error);
        log.warn({ error: wordsOf(error) }, "a sign-in is refused");
        throw new Problem(
          "sign-in-refused",
          "The identity provider's answer does not say who this is: sign in once more",
        );
      }
    },

    prove: (person: SignedIn): string => sealFor("proof", PROOF_MINUTES, person),
    /** Throws sign-in-refused. */
    proven(proof: string): { person: SignedIn; used: Used } {
      const { content, used } = open<SignedIn>("proof", proof);
      return { person: content, used };
    },
  };
}

/** With the token the provider knows whose session it is, and does not ask. */
function leaving(config: oidc.Configuration, token: string | undefined): string | undefined {
  if (config.serverMetadata().end_session_endpoint === undefined) return undefined;
  return oidc.buildEndSessionUrl(
    config,
    token === undefined || token.length > MAX_TOKEN ? {} : { id_token_hint: token },
  ).href;
}

/** The error's own message, not what was sent: that contains tokens. */
const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : "no error";
/**
 * The provider cannot be reached, is too slow, or is broken. A refusal or a wrong signature of the
 * provider is not an absence.
 */
function isAbsence(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (
    error instanceof TypeError ||
    error.name === "TimeoutError" ||
    (error as { code?: string }).code === "OAUTH_TIMEOUT"
  )
    return true;
  return error.cause instanceof Response && error.cause.status >= 500;
}
