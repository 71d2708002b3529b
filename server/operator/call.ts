/** What a call of the operator's commands may be wrong in, and the settings, checked. */
import { readFileSync } from "node:fs";
import { type Config, readConfig } from "../kernel/config.ts";

/** The call or a setting is wrong: nothing has begun. */
export class WrongCall extends Error {}

/** 32 bytes in hex that may be random: not a pattern that somebody typed. */
const isMasterKey = (key: string) =>
  /^[0-9a-f]{64}$/i.test(key) && new Set(Buffer.from(key, "hex")).size >= 8;

export function checkedConfig(): Config {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (cause) {
    throw new WrongCall((cause as Error).message);
  }
  if (!isMasterKey(config.MASTER_KEY))
    throw new WrongCall("MASTER_KEY is not a random key: openssl rand -hex 32 makes one");
  return config;
}

/** The master key in a file. Throws WrongCall if it cannot be random. */
export const keyIn = (file: string): string => {
  let key: string;
  try {
    key = readFileSync(file, "utf8").trim();
  } catch {
    throw new WrongCall(`${file} cannot be read`);
  }
  if (!isMasterKey(key))
    throw new WrongCall(
      `${file} does not contain a random key of 32 bytes in hex: openssl rand -hex 32 makes one`,
    );
  return key;
};
