/**
 * Faults of a node by word: what its answer to a transaction means for the next step.
 *
 * | word | the answer means | and then |
 * | --- | --- | --- |
 * | landed | the node has these bytes, or their nonce is used | look for the receipt; the same bytes again later |
 * | rejected | the node does not accept these bytes in the present situation | an operator acts; the same bytes again, ever more slowly |
 * | unknown | nothing is settled, or no answer came: it may have landed | the same bytes again later |
 * | down | the node is out of service, and did not accept it | wait, and the same bytes again |
 *
 * The transaction is never signed again: on every word the same bytes stay. The table below is
 * data, in the words of the clients' sources. The first row whose text occurs in the answer counts,
 * regardless of case and of the text around it. An answer that matches no row is unknown.
 */

export type FaultWord = "landed" | "rejected" | "unknown" | "down";
/** `reason` is stable: operators, metrics and tests rely on it, not on the node's text. */
export type Fault = { word: FaultWord; reason: string };

export type Client = "hardhat" | "geth" | "besu" | "erigon" | "nethermind";

/**
 * A longer text comes before a text that it contains. Sources: hardhat: EDR's provider errors;
 * geth: core/error.go, core/txpool/errors.go, core/txpool/legacypool, core/types/transaction.go,
 * rpc/errors.go; besu: RpcErrorType.java; erigon: txnprovider/txpool/txpoolcfg; nethermind:
 * TxPoolErrorMessages.cs, and AcceptTxResult.cs for versions that answer with its names.
 */
export const faultTable: readonly { text: string; clients: readonly Client[]; fault: Fault }[] = [
  ...rows("rejected", "type-unsupported", [["unknown transaction type", "hardhat"]]),
  ...rows("unknown", "nonce-taken", [
    // another transaction with this nonce waits in the pool: nothing is settled until one of the
    // two lands
    ["replacement transaction underpriced", "hardhat", "geth", "besu", "erigon", "nethermind"],
    ["could not replace existing tx", "erigon"],
    ["future transaction tries to replace pending", "geth"],
    ["replacementnotallowed", "nethermind"],
  ]),
  ...rows("landed", "known", [
    ["already known", "geth", "erigon", "nethermind"],
    ["known transaction", "hardhat", "besu"],
    ["existing tx with same hash", "erigon"],
    ["existing txn with same hash", "erigon"],
    ["already imported", "besu"],
    ["alreadyknown", "nethermind"],
  ]),
  ...rows("landed", "nonce-used", [
    ["nonce too low", "hardhat", "geth", "besu", "erigon", "nethermind"],
    ["oldnonce", "nethermind"],
  ]),
  // the node will accept it when the earlier ones have landed
  ...rows("unknown", "nonce-ahead", [
    ["nonce too high", "hardhat", "geth", "besu", "nethermind"],
    ["nonce is too distant", "besu"],
    ["transaction with a lower nonce exists", "besu"],
    ["nonce too far in future", "nethermind"],
    ["noncetoofarinfuture", "nethermind"],
    ["noncegap", "nethermind"],
  ]),
  ...rows("unknown", "pool-full", [
    ["txpool is full", "geth"],
    ["sub-pool is full", "erigon"],
    ["account limit exceeded", "geth"],
    ["transaction pool is full", "besu", "nethermind"],
  ]),
  ...rows("rejected", "gas-above-block", [
    ["exceeds block gas limit", "hardhat", "geth", "besu"],
    ["exceeds transaction gas cap", "hardhat"],
    ["exceeds per transaction gas limit", "besu"],
    ["transaction gas limit too high", "geth"],
    ["gas limit is too high", "erigon"],
    ["gas limit reached", "geth", "nethermind"],
    ["gaslimitexceeded", "nethermind"],
  ]),
  ...rows("rejected", "gas-too-low", [
    ["intrinsic gas too low", "geth"],
    ["intrinsic gas exceeds gas limit", "besu"],
    ["intrinsicgas", "erigon"],
    ["transaction requires at least", "hardhat"],
    ["floor data gas", "geth", "erigon"],
  ]),
  ...rows("rejected", "unfunded", [
    ["insufficient funds", "geth", "erigon", "nethermind"],
    ["insufficientfunds", "nethermind"],
    ["upfront cost exceeds account balance", "besu"],
    ["doesn't have enough funds", "hardhat"],
  ]),
  ...rows("rejected", "not-permitted", [
    ["sender account not authorized", "besu"],
    ["plugin has marked the transaction as invalid", "besu"],
    ["sender not an eoa", "geth", "nethermind"],
    ["senderiscontract", "nethermind"],
  ]),
  ...rows("rejected", "wrong-chain", [
    ["invalid chain id", "geth", "nethermind"],
    ["invalid chainid", "hardhat", "erigon"],
    ["signed for another chain", "hardhat"],
    ["wrong chainid", "besu"],
    ["chainid not supported", "besu"],
    ["chainid is required", "besu"],
    ["only replay-protected (eip-155) transactions allowed", "geth", "erigon"],
  ]),
  ...rows("rejected", "too-large", [
    ["oversized data", "geth", "erigon"],
    ["rlptoolong", "erigon"],
    ["transaction too large", "nethermind"],
    ["maxtxsizeexceeded", "nethermind"],
    ["initcode size exceeded", "geth"],
    ["initcode too large", "erigon"],
  ]),
  ...rows("rejected", "type-unsupported", [
    ["transaction type not supported", "geth"],
    ["invalid transaction type", "besu"],
    ["unsupported transaction type", "nethermind"],
    ["notsupportedtxtype", "nethermind"],
    ["supporting this transaction type is not activated", "erigon"],
  ]),
  ...rows("rejected", "invalid", [
    ["invalid sender", "geth", "erigon"],
    ["invalid signature", "hardhat", "besu"],
    ["failed to recover sender", "nethermind"],
    ["failedtoresolvesender", "nethermind"],
    ["transaction invalid", "nethermind"],
    ["gas uint64 overflow", "geth"],
    ["gasuintoverflow", "erigon"],
    ["negative value", "geth", "erigon"],
  ]),
  // on a network without fees: a node that is not configured for it
  ...rows("rejected", "underpriced", [
    ["below configured minimum gas price", "besu"],
    ["below current base fee", "besu"],
    ["less than block base fee", "geth"],
    ["fee cap exceeded", "besu"],
    ["exceeds the configured cap", "geth"],
    ["transaction gasprice", "hardhat"],
    ["fee too low", "erigon"],
    ["feetoolow", "nethermind"],
    ["underpriced", "geth", "erigon", "nethermind"],
  ]),
  ...rows("down", "syncing", [
    ["initial sync is still in progress", "besu"],
    ["transaction pool not enabled", "besu"],
    ["node is syncing", "nethermind"],
    ["syncing", "geth", "erigon", "nethermind"],
  ]),
  ...rows("down", "state-missing", [
    ["header not found", "geth"],
    ["missing trie node", "geth"],
    ["world state unavailable", "besu"],
    ["unknown block", "geth", "besu"],
  ]),
  ...rows("down", "busy", [
    ["too many requests", "geth", "besu"],
    ["rate limit", "geth", "besu"],
    ["limit exceeded", "geth", "nethermind"],
    ["exceeds max batch size", "besu"],
  ]),
  ...rows("down", "method-missing", [
    ["method not found", "besu", "nethermind"],
    ["does not exist/is not available", "geth", "erigon"],
    ["method not enabled", "besu"],
    ["is not supported", "hardhat", "besu", "nethermind"],
  ]),
  ...rows("down", "unauthorized", [["unauthorized", "besu", "nethermind"]]),
  ...rows("unknown", "timeout", [
    ["timeout expired", "besu"],
    ["timed out", "geth", "erigon"],
    ["timeout", "nethermind"],
  ]),
  ...rows("unknown", "internal", [
    ["internal error", "hardhat", "geth", "besu", "erigon", "nethermind"],
  ]),
];

function rows(word: FaultWord, reason: string, texts: [string, ...Client[]][]) {
  const fault: Fault = { word, reason };
  return texts.map(([text, ...clients]) => ({ text, clients, fault }));
}

/** The meaning of the node's text. */
export function faultOf(text: string): Fault {
  const lower = text.toLowerCase();
  return (
    faultTable.find((row) => lower.includes(row.text))?.fault ?? {
      word: "unknown",
      reason: "unrecognised",
    }
  );
}

/**
 * With these errors, no node has seen the request. With any other broken connection, one may have.
 */
const UNREACHED = /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)\b/;
const TURNED_AWAY = /\b(429|503)\b/;

/** What a missing answer means. `text`: the error of the connection. */
export function faultOfSilence(text: string): Fault {
  if (UNREACHED.test(text)) return { word: "down", reason: "unreachable" };
  if (TURNED_AWAY.test(text)) return { word: "down", reason: "busy" };
  return { word: "unknown", reason: "no-answer" };
}
