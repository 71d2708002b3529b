/**
 * Hashing and hexadecimal, as Node does them fast. A browser has bytes.browser.ts in its place:
 * package.json maps `#bytes` to the one or the other, so that an invoice is checked on a phone by
 * the very files that the gateway checks it by.
 *
 * hash-wasm, because one reused instance is 4 to 15 times as fast as the hash of ethers, and a lot
 * is nothing but hashing.
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
