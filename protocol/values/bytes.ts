/**
 * Hashing and hexadecimal with Node's fast functions. In a browser, bytes.browser.ts replaces this
 * file: package.json maps `#bytes` to one of the two, so a phone checks an invoice with the same
 * code as the gateway.
 *
 * hash-wasm, because one reused instance is 4 to 15 times as fast as the hash of ethers, and
 * building a lot is mostly hashing.
 */
import { createKeccak, type IHasher } from "hash-wasm";

const hasher: IHasher = await createKeccak(256);

/** keccak256 as 32 bytes. */
export function hashBytes(bytes: Uint8Array): Uint8Array {
  hasher.init();
  hasher.update(bytes);
  return hasher.digest("binary");
}

/** 0x-hex. */
export const toHex = (bytes: Uint8Array): string =>
  `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
/** Requirement: 0x-hex. */
export const fromHex = (text: string): Uint8Array => Buffer.from(text.slice(2), "hex");
/** UTF-8. */
export const toUtf8 = (text: string): Uint8Array => Buffer.from(text);
