/**
 * The gateway's side of the chain: a code for every refusal, the signed messages, the tree, and the
 * meaning of a node's silence.
 */
import { readFileSync } from "node:fs";
import { type Domain, digest, type Message, typedData } from "@onepiao/protocol/ledger/messages.ts";
import { keccak, leafHash, lotTree, rootFrom } from "@onepiao/protocol/ledger/tree.ts";
import { catalogue, codeOfChainError } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { JsonRpcProvider, TypedDataEncoder, Wallet } from "ethers";
import { SANDBOX_CHAIN_ID } from "../../sandbox/chain.ts";
import { bloomOf, mayHave } from "../../server/chain/bloom.ts";
import {
  type ChainClient,
  createChainClient,
  NodeDown,
  NodeRefused,
} from "../../server/chain/client.ts";
import {
  contractErrors,
  createContracts,
  errorName,
  revertReason,
} from "../../server/chain/contracts.ts";
import { type Deployment, deploy } from "../../server/chain/deploy.ts";
import { faultOf, faultOfSilence, faultTable } from "../../server/chain/faults.ts";
import { type Bench, openBench } from "./support/bench.ts";
import { type FaultyNode, startProxy, until } from "./support/proxy.ts";

const account = (byte: string) => `0x${byte.repeat(20)}`;
const word = (byte: string) => `0x${byte.repeat(32)}`;

describe("the contracts' refusals", () => {
  it("every custom error of the contracts has a code in the catalogue", () => {
    expect(contractErrors.length).to.be.greaterThan(40);
    expect(contractErrors.filter((name) => codeOfChainError(name) === undefined)).to.deep.equal([]);
  });

  it("every code that names a custom error names an error of the contracts, and no two codes name the same error", () => {
    const named = Object.values(catalogue).flatMap((entry) =>
      "chain" in entry && entry.chain !== undefined ? [entry.chain as string] : [],
    );
    expect(named.filter((name) => !contractErrors.includes(name))).to.deep.equal([]);
    expect(new Set(named).size).to.equal(named.length);
  });

  it("a revert is decoded into its error and arguments, and other data is not decoded as a revert", () => {
    const selector = keccak(Buffer.from("BatchSize(uint256)")).slice(0, 10);
    expect(errorName(selector)).to.equal("BatchSize");
    expect(revertReason(`${selector}${(101).toString(16).padStart(64, "0")}`)).to.deep.equal({
      name: "BatchSize",
      args: ["101"],
    });
    for (const other of [
      "",
      "0x",
      "0x12",
      "no hex",
      `0x12345678${"00".repeat(32)}`,
      selector,
      `${selector}00`,
    ])
      expect(revertReason(other), other).to.equal(undefined);
  });
});

describe("typed messages", () => {
  const domain: Domain = {
    name: "one-network",
    version: "1",
    chainId: SANDBOX_CHAIN_ID,
    verifyingContract: account("c0"),
  };
  const invoices = [
    { id: "26442000000000000001", version: 0 },
    { id: "26442000000000000002", version: 65_535 },
  ];
  const amount = (2n ** 128n - 1n).toString();
  const messages: Message[] = [
    {
      type: "Seal",
      value: {
        issuer: 7,
        segment: "26442000000000000000",
        first: "26442000000000000500",
        count: 500,
        root: word("5e"),
      },
    },
    { type: "Transfer", value: { to: account("a1"), ref: word("00"), invoices } },
    { type: "Claim", value: { employer: 4_294_967_295, ref: word("0c"), invoices } },
    { type: "Withdraw", value: { ref: word("0d"), invoices: invoices.slice(0, 1) } },
    { type: "Reimburse", value: { employer: 9, ref: word("0e"), invoices } },
    { type: "Reject", value: { employer: 9, ref: word("0f"), invoices } },
    { type: "Reverse", value: { issuer: 7, ref: word("10"), invoices } },
    { type: "Adjust", value: { issuer: 7, ref: word("11"), invoices } },
    { type: "Enter", value: { employer: 9, ref: word("02"), invoices } },
    {
      type: "Admit",
      value: {
        employer: 9,
        holder: account("a4"),
        ref: word("12"),
        invoices: [{ id: (2n ** 256n - 1n).toString(), version: 0 }],
      },
    },
    {
      type: "RotateKey",
      value: { account: account("a2"), key: account("a3"), counter: "18446744073709551615" },
    },
    { type: "Draw", value: { index: 7, period: 202_611, amount, counter: "0" } },
    { type: "GiveBack", value: { index: 7, period: 202_611, amount: "1", counter: "3" } },
  ];

  /** Types as the contracts write them. */
  const written = [
    ...readFileSync(
      new URL("../../contracts/libraries/Messages.sol", import.meta.url),
      "utf8",
    ).matchAll(/keccak256\(\s*"(\w+)(\([^"]*)"/g),
  ];
  const inContracts = new Map(written.map(([, name, rest]) => [name as string, `${name}${rest}`]));

  for (const message of messages) {
    it(`${message.type} is hashed as wallets hash its typed data`, () => {
      const { types, primaryType, message: value } = typedData(domain, message);
      const asked = Object.fromEntries(
        Object.entries(types).map(([name, fields]) => [name, [...fields]]),
      );
      expect(primaryType).to.equal(message.type);
      expect(digest(domain, message)).to.equal(TypedDataEncoder.hash(domain, asked, value));
      expect(
        TypedDataEncoder.from(asked).encodeType(primaryType),
        "the type that contracts/libraries/Messages.sol has",
      ).to.equal(inContracts.get(message.type));
    });
  }

  it("all messages of the contracts are covered", () => {
    expect([...inContracts.keys()].filter((name) => name !== "Invoice").sort()).to.deep.equal(
      messages.map((message) => message.type).sort(),
    );
  });

  it("each part of the domain and of the message changes the digest", () => {
    const [, , claim] = messages as [Message, Message, Message];
    const variants = [
      digest(domain, claim),
      digest({ ...domain, name: "another-network" }, claim),
      digest({ ...domain, chainId: 1 }, claim),
      digest({ ...domain, verifyingContract: account("c1") }, claim),
      digest(domain, { ...claim, value: { ...claim.value, employer: 1 } }),
      digest(domain, { ...claim, value: { ...claim.value, ref: word("aa") } }),
      digest(domain, { ...claim, value: { ...claim.value, invoices: invoices.slice(1) } }),
      digest(domain, { type: "Reimburse", value: claim.value }),
    ];
    expect(new Set(variants).size).to.equal(variants.length);
  });
});

describe("the lot's tree", () => {
  const leaves = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      leafHash({ content: keccak(Buffer.from(`${i}`)), holder: account("b0"), buyer: i }),
    );

  it("in lots of 1 to 40, every leaf leads to the root by its proof, at its own position only", () => {
    for (let size = 1; size <= 40; size++) {
      const all = leaves(size);
      const tree = lotTree(all);
      for (const [i, leaf] of all.entries()) {
        expect(rootFrom(tree.proof(i), i, size, leaf)).to.equal(tree.root);
        for (const other of [i - 1, i + 1]) {
          if (other >= 0 && other < size)
            expect(rootFrom(tree.proof(i), other, size, leaf)).to.not.equal(tree.root);
        }
      }
    }
  });

  it("an inner node is not accepted as a leaf, nor a longer or shorter path as the right path", () => {
    const all = leaves(5);
    const tree = lotTree(all);
    expect(rootFrom([...tree.proof(2), word("00")], 2, 5, all[2] as string)).to.equal(undefined);
    expect(rootFrom(tree.proof(2).slice(1), 2, 5, all[2] as string)).to.equal(undefined);
    expect(rootFrom(tree.proof(2), 5, 5, all[2] as string)).to.equal(undefined);
    expect(() => tree.proof(5)).to.throw(RangeError);
    expect(() => lotTree([])).to.throw(RangeError);
  });
});

describe("a node's error texts", () => {
  for (const { text, clients, fault } of faultTable) {
    it(`"${text}" (${clients.join(", ")}) is ${fault.word}: ${fault.reason}`, () => {
      const variants = [
        text,
        text.toUpperCase(),
        `err: ${text}`,
        `RPC error: ${text} (code -32000)`,
        `${text}: address 0xAb, tx: 1 state: 2`,
        `\n${text}\n`,
      ];
      for (const variant of variants) expect(faultOf(variant), variant).to.deep.equal(fault);
    });
  }

  it("every client has a text for each fault that all clients must report", () => {
    for (const client of ["hardhat", "geth", "besu", "erigon", "nethermind"] as const) {
      const reasons = new Set(
        faultTable.filter((row) => row.clients.includes(client)).map((row) => row.fault.reason),
      );
      expect([...reasons], client).to.include.members([
        "known",
        "nonce-used",
        "nonce-taken",
        "gas-above-block",
        "unfunded",
        "wrong-chain",
        "type-unsupported",
      ]);
    }
  });

  const sentences: [string, string, string][] = [
    ["Nonce too low. Expected nonce to be 5 but got 4.", "landed", "nonce-used"],
    [
      "Known transaction: 0x5e1d3a76fbf824220eafc8c79ad578ad2b67d01b0c2425eb1f1347e8f50882ab",
      "landed",
      "known",
    ],
    ["INTERNAL_ERROR: existing tx with same hash", "landed", "known"],
    ["nonce too low: next nonce 12, tx nonce 11", "landed", "nonce-used"],
    [
      "Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 1 is necessary to replace it.",
      "unknown",
      "nonce-taken",
    ],
    ["Nonce too high. Expected nonce to be 5 but got 9.", "unknown", "nonce-ahead"],
    ["Transaction nonce is too distant from current sender nonce", "unknown", "nonce-ahead"],
    [
      "Transaction gas limit is 200000000 and exceeds block gas limit of 100000000",
      "rejected",
      "gas-above-block",
    ],
    ["Transaction gas limit exceeds block gas limit", "rejected", "gas-above-block"],
    ["transaction gas limit too high (cap: 16777216, tx: 30000000)", "rejected", "gas-above-block"],
    ["intrinsic gas too low: gas 20000, minimum needed 21000", "rejected", "gas-too-low"],
    ["Sender account not authorized to send transactions", "rejected", "not-permitted"],
    ["Gas price below configured minimum gas price", "rejected", "underpriced"],
    ["transaction underpriced: gas tip cap 0, minimum needed 1000000", "rejected", "underpriced"],
    [
      "max fee per gas less than block base fee: address 0xA, maxFeePerGas: 0, baseFee: 7",
      "rejected",
      "underpriced",
    ],
    ["invalid sender: invalid chain id for signer: have 1 want 2", "rejected", "wrong-chain"],
    ["Initial sync is still in progress", "down", "syncing"],
    ["the method eth_getBlockReceipts does not exist/is not available", "down", "method-missing"],
    ["header not found", "down", "state-missing"],
    ["Timeout expired", "unknown", "timeout"],
    ["Internal error", "unknown", "internal"],
    ["", "unknown", "unrecognised"],
    ["the tides are unfavourable", "unknown", "unrecognised"],
  ];
  it("each client's sentences map to the word for their outcome", () => {
    for (const [text, word, reason] of sentences)
      expect(faultOf(text), text).to.deep.equal({ word, reason });
  });

  it("silence means unknown unless the connection shows that no node received the call", () => {
    expect(faultOfSilence("connect ECONNREFUSED 127.0.0.1:8545").word).to.equal("down");
    expect(faultOfSilence("server response 503 Service Unavailable").word).to.equal("down");
    for (const text of [
      "socket hang up",
      "read ECONNRESET",
      "request timeout",
      "server response 502 Bad Gateway",
    ])
      expect(faultOfSilence(text).word, text).to.equal("unknown");
  });
});

describe("the node", () => {
  let proxy: FaultyNode;
  let chain: ChainClient;
  let deployment: Deployment;
  let bench: Bench;
  before(async () => {
    bench = await openBench();
    deployment = bench.deployment;
    proxy = await startProxy(bench.rpcUrl);
    chain = createChainClient(proxy.url, SANDBOX_CHAIN_ID, 500);
  });
  afterEach(() => {
    proxy.rule = undefined;
    proxy.release();
  });
  after(async () => {
    chain.close();
    await proxy.close();
    await bench.close();
  });
  const failure = (promise: Promise<unknown>): Promise<Error> =>
    promise.then(
      () => expect.fail("it went well"),
      (cause: Error) => cause,
    );

  const silences = [
    ["cuts the connection before it has the call", "cut"],
    ["cuts the connection after it has taken the call", "lose"],
    ["does not answer in time", "hang"],
    ["is represented by a proxy's page", { status: 502 }],
  ] as const;
  for (const [words, fault] of silences) {
    it(`a node that ${words} is down: the outcome of the call is unknown`, async () => {
      proxy.rule = () => fault;
      expect(await failure(chain.head())).to.be.instanceOf(NodeDown);
      proxy.rule = (call) => (call.method === "eth_sendRawTransaction" ? fault : undefined);
      const wallet = Wallet.createRandom();
      const raw = await wallet.signTransaction({
        type: 0,
        chainId: SANDBOX_CHAIN_ID,
        nonce: 0,
        gasPrice: 0n,
        gasLimit: 21_000n,
        to: wallet.address,
      });
      expect(await failure(chain.broadcast(raw))).to.be.instanceOf(NodeDown);
    });
  }

  it("the sandbox's own node answers with the texts in the table", async () => {
    const wallet = Wallet.createRandom();
    const fields = {
      type: 0,
      chainId: SANDBOX_CHAIN_ID,
      nonce: 0,
      gasPrice: 0n,
      gasLimit: 21_000n,
      to: wallet.address,
    };
    const refusalOf = async (more: object) =>
      (await failure(
        wallet.signTransaction({ ...fields, ...more }).then((raw) => chain.broadcast(raw)),
      )) as NodeRefused;
    const raw = await wallet.signTransaction({ ...fields, nonce: 1 });
    await chain.broadcast(raw);
    expect(((await failure(chain.broadcast(raw))) as NodeRefused).fault.reason).to.equal("known");
    await chain.broadcast(await wallet.signTransaction(fields));
    await until("it is mined", async () => (await chain.nonce(wallet.address)) === 2);
    expect((await refusalOf({})).fault).to.deep.equal({ word: "landed", reason: "nonce-used" });
    expect((await refusalOf({ nonce: 2, gasLimit: 20_000n })).fault.reason).to.equal("gas-too-low");
    expect((await refusalOf({ nonce: 2, gasLimit: 200_000_000n })).fault.reason).to.equal(
      "gas-above-block",
    );
    expect((await refusalOf({ nonce: 2, chainId: 5 })).fault.reason).to.equal("wrong-chain");
    expect((await refusalOf({ nonce: 2, value: 1n })).fault.reason).to.equal("unfunded");
    const unheard = (await failure(rawCall("eth_unheardOf"))) as NodeRefused;
    expect(unheard.message).to.include("-32");
  });

  /** The node's answer to a method that the client does not know. */
  async function rawCall(method: string): Promise<never> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [] });
    const answer = (await (
      await fetch(bench.rpcUrl, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      })
    ).json()) as {
      error: { code: number; message: string };
    };
    expect(
      answer.error.code === -32_601 || faultOf(answer.error.message).reason === "method-missing",
      JSON.stringify(answer.error),
    ).to.equal(true);
    throw new Error(`${answer.error.code} ${answer.error.message}`);
  }

  it("the bloom filter of every header matches the block's logs, and contains no other log", async () => {
    const head = await chain.head();
    // the chain is older than this deployment and already has many blocks
    const from = Math.max(1, deployment.block - 20);
    const to = Math.min(head, deployment.block + 100);
    const headers = await chain.headers(from, to);
    expect(headers.map((header) => header.number)).to.deep.equal(
      Array.from({ length: to - from + 1 }, (_, i) => from + i),
    );
    const { accessManager, registry, ledger } = deployment;
    const all = [accessManager, registry, ledger];
    const logs = await chain.logs(all, from, to);
    let [full, empty] = [0, 0];
    for (const header of headers) {
      const inBlock = logs.filter((log) => log.block === header.number);
      for (const log of inBlock) {
        for (const hex of [log.address, ...log.topics])
          expect(mayHave(header.bloom, hex)).to.equal(true);
        full += 1;
      }
      const whole = await chain.receiptLogs(all, header.number);
      expect(whole).to.deep.equal(inBlock);
      if (inBlock.length > 0 && bloomOf(inBlock) === header.bloom) full += 1_000;
      if (/^0x0+$/.test(header.bloom)) {
        for (const address of all) expect(mayHave(header.bloom, address)).to.equal(false);
        empty += 1;
      }
    }
    expect(empty, "blocks without logs").to.be.greaterThan(0);
    expect(full, "blocks whose filter is that of our logs alone").to.be.greaterThan(1_000);
    expect(await chain.headers(head + 1_000, head + 1_001)).to.deep.equal([]);
  });

  it("a block's receipts are read one at a time from a node without the call for all of them", async () => {
    const logs = await chain.logs([deployment.accessManager], 0, await chain.head());
    const block = logs[0]?.block as number;
    for (const unknown of [
      "the method eth_getBlockReceipts does not exist/is not available",
      "Method not found",
    ]) {
      proxy.rule = (call) =>
        call.method === "eth_getBlockReceipts" ? { refuse: unknown } : undefined;
      expect(await chain.receiptLogs([deployment.accessManager], block)).to.deep.equal(
        logs.filter((log) => log.block === block),
      );
    }
    proxy.rule = (call) => (call.method.includes("Receipt") ? { answer: null } : undefined);
    expect(await failure(chain.receiptLogs([deployment.accessManager], block))).to.be.instanceOf(
      NodeRefused,
    );
  });

  it("a node that is not there is down", async () => {
    const nobody = await startProxy("http://127.0.0.1:1");
    const { url } = nobody;
    await nobody.close();
    const lonely = createChainClient(url, SANDBOX_CHAIN_ID, 500);
    const silent = await failure(lonely.head());
    expect(silent).to.be.instanceOf(NodeDown);
    expect((silent as NodeDown).fault).to.deep.equal({ word: "down", reason: "unreachable" });
    lonely.close();
  });

  it("an error in the node's answer is its refusal, in its own words", async () => {
    for (const text of [
      "nonce too low",
      "already known",
      "replacement transaction underpriced",
      "insufficient funds for gas * price + value",
      "something unheard of",
    ]) {
      proxy.rule = () => ({ refuse: text });
      for (const call of [
        chain.broadcast("0x01"),
        chain.head(),
        chain.call(deployment.ledger, "0x"),
      ]) {
        const refused = await failure(call);
        expect(refused, text).to.be.instanceOf(NodeRefused);
        expect(refused.message).to.equal(text);
      }
    }
  });

  it("a reverted call is a refusal that carries the contract's data", async () => {
    const contracts = createContracts(deployment);
    const refused = (await failure(
      chain.call(deployment.registry, contracts.registryCall("setStanding", [1, 2]), account("de")),
    )) as NodeRefused;
    expect(refused).to.be.instanceOf(NodeRefused);
    expect(revertReason(refused.data ?? "")?.name).to.equal("AccessManagedUnauthorized");
  });

  it("a failed call in a batch does not get the answer of another call", async () => {
    proxy.rule = (call) =>
      call.method === "eth_getBlockByNumber" && call.params[0] === "0x1"
        ? { refuse: "no such luck" }
        : undefined;
    const [first, second, third] = await Promise.allSettled([
      chain.block(0),
      chain.block(1),
      chain.block(2),
    ]);
    expect([first?.status, second?.status, third?.status]).to.deep.equal([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect([
      (first as PromiseFulfilledResult<{ number: number }>).value.number,
      (third as PromiseFulfilledResult<{ number: number }>).value.number,
    ]).to.deep.equal([0, 2]);
  });

  it("a block or receipt that the node does not have is undefined, not an error", async () => {
    expect(await chain.block(1_000_000)).to.equal(undefined);
    expect(await chain.receipts([word("77")])).to.deep.equal([undefined]);
    expect(await chain.transactionInput(word("77"))).to.equal(undefined);
  });

  it("logs are requested by address, and come in the order of the chain", async () => {
    const head = await chain.head();
    const logs = await chain.logs([deployment.accessManager], 0, head);
    expect(logs.length).to.be.greaterThan(3);
    expect(new Set(logs.map((log) => log.address.toLowerCase()))).to.deep.equal(
      new Set([deployment.accessManager.toLowerCase()]),
    );
    const places = logs.map((log) => log.block * 1_000 + log.index);
    expect(places).to.deep.equal([...places].sort((a, b) => a - b));
    proxy.rule = (call) =>
      call.method === "eth_getLogs" ? { answer: answerBackwards } : undefined;
    const answerBackwards = [...logs].reverse().map((log) => ({
      ...log,
      blockNumber: `0x${log.block.toString(16)}`,
      logIndex: `0x${log.index.toString(16)}`,
      transactionHash: log.tx,
    }));
    expect(await chain.logs([deployment.accessManager], 0, head)).to.deep.equal(logs);
  });

  describe("a deployment", () => {
    it("that exists on the chain is used unchanged: nothing is sent", async () => {
      const provider = new JsonRpcProvider(bench.rpcUrl, SANDBOX_CHAIN_ID, {
        staticNetwork: true,
        cacheTimeout: -1,
      });
      const stranger = Wallet.createRandom(provider);
      const again = await deploy(stranger, {
        network: deployment.network,
        bureau: bench.bureau,
        known: deployment,
        claimTermSeconds: deployment.claimTermSeconds,
      });
      expect(again).to.deep.equal(deployment);
      expect(await chain.nonce(stranger.address)).to.equal(0);
      for (const wrong of [{ genesis: word("99") }, { chainId: 1 }, { network: "another" }]) {
        const refused = await failure(
          deploy(stranger, {
            network: deployment.network,
            bureau: bench.bureau,
            known: { ...deployment, ...wrong },
          }),
        );
        expect(refused.message).to.match(/Nothing was deployed/);
      }
      provider.destroy();
    });
  });
});
