/**
 * bytes.ts for a browser, without Buffer and without WebAssembly, which the console's content
 * security policy does not allow.
 */
import { getBytes, hexlify, keccak256 } from "ethers";

export const hashBytes = (bytes: Uint8Array): Uint8Array => getBytes(keccak256(bytes));
export const toHex = (bytes: Uint8Array): string => hexlify(bytes);
export const fromHex = (text: string): Uint8Array => getBytes(text);
export const toUtf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
