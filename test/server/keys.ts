/**
 * Secrets at rest: a sealed value opens only in its own row and purpose, and no private key is
 * readable in the database.
 */
import { randomBytes } from "node:crypto";
import { recoverSigner } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { computeAddress, Transaction, Wallet } from "ethers";
import type { Sql } from "../../server/db/db.ts";
import { createApiKey, findCaller } from "../../server/features/parties/api-keys.ts";
import { accountOfSecret } from "../../server/keys/keystore.ts";
import {
  addWraps,
  dropOtherWraps,
  openVault,
  type Purpose,
  type Vault,
} from "../../server/keys/vault.ts";
import {
  type Bench,
  claimBy,
  enrolled,
  holder,
  openBench,
  openDatabase,
  sealed,
} from "./support/bench.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const purposes: Purpose[] = ["documents", "parties", "keystore", "answers"];

describe("secrets", () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  describe("in the vault", () => {
    for (const purpose of purposes) {
      it(`a value sealed for ${purpose} opens unchanged, and two seals of it differ`, () => {
        for (const plain of [Buffer.alloc(0), Buffer.from("一票"), randomBytes(10_000)]) {
          const [first, second] = [
            bench.vault.seal(purpose, "row 1", plain),
            bench.vault.seal(purpose, "row 1", plain),
          ];
          expect(bench.vault.open(purpose, "row 1", first).equals(plain)).to.equal(true);
          expect(first.equals(second)).to.equal(false);
          if (plain.length > 0) expect(first.includes(plain)).to.equal(false);
        }
        expect(
          bench.vault.open(purpose, "row 1", bench.vault.seal(purpose, "row 1", "文字")).toString(),
        ).to.equal("文字");
      });

      it(`a value sealed for ${purpose} is refused if it is altered, cut, or moved to another row or purpose`, () => {
        const value = bench.vault.seal(purpose, "row 1", "secret");
        for (let i = 0; i < value.length; i++) {
          const altered = Buffer.from(value);
          altered[i] = (altered[i] as number) ^ 1;
          expect(() => bench.vault.open(purpose, "row 1", altered), `byte ${i}`).to.throw();
        }
        for (const cut of [
          value.subarray(1),
          value.subarray(0, -1),
          ...Array.from({ length: 28 }, (_, i) => value.subarray(0, i)),
          Buffer.concat([value, Buffer.alloc(1)]),
        ]) {
          expect(() => bench.vault.open(purpose, "row 1", cut)).to.throw();
        }
        expect(() => bench.vault.open(purpose, "row 2", value)).to.throw();
        for (const other of purposes.filter((candidate) => candidate !== purpose))
          expect(() => bench.vault.open(other, "row 1", value)).to.throw();
      });
    }

    it("a gateway with another master key does not start, and says why; also with a malformed key", async () => {
      const wrong = await openVault(bench.sql, randomBytes(32).toString("hex")).catch(
        (cause: Error) => cause,
      );
      expect((wrong as Error).message).to.equal(
        "MASTER_KEY is not the key that this database was made with",
      );
      for (const badKey of ["", "00".repeat(31), "zz".repeat(32)]) {
        expect(
          ((await openVault(bench.sql, badKey).catch((cause: Error) => cause)) as Error).message,
        ).to.equal("MASTER_KEY is not 32 bytes in hex");
      }
    });

    it("another process with the same master key opens the values that this process sealed", async () => {
      const who = await holder(bench);
      const gateway = await bench.process();
      expect(await gateway.keys.sign(who.address, `0x${"07".repeat(32)}`)).to.deep.equal(
        await bench.keys.sign(who.address, `0x${"07".repeat(32)}`),
      );
      await gateway.end();
    });

    it("a wrapped data key in the place of another is refused at start", async () => {
      const masterKey = randomBytes(32).toString("hex");
      const other = await openDatabase();
      await openVault(other.sql, masterKey);
      await other.sql`update data_keys set wrapped = (select wrapped from data_keys where purpose = 'parties') where purpose = 'keystore'`;
      const refused = (await openVault(other.sql, masterKey).catch(
        (cause: Error) => cause,
      )) as Error;
      expect(refused.message).to.match(/MASTER_KEY is not the key/);
      await other.close();
    });

    it("the master key is rotated while gateways run: first both keys open the vault, then only the new one", async () => {
      const [before, next, third] = [0, 1, 2].map(() => randomBytes(32).toString("hex")) as [
        string,
        string,
        string,
      ];
      const { sql, close } = await openDatabase();
      const running = await openVault(sql, before);
      const value = running.seal("documents", "row 1", "一票");
      const opens = async (key: string) =>
        openVault(sql, key).then(
          (vault) => vault.open("documents", "row 1", value).toString() === "一票",
          (cause: Error) => cause.message,
        );
      const refused = "MASTER_KEY is not the key that this database was made with";
      expect(await addWraps(sql, third, next).catch((cause: Error) => cause.message)).to.equal(
        refused,
      );
      expect(await addWraps(sql, before, before).catch((cause: Error) => cause.message)).to.equal(
        "The new master key is the present one",
      );
      // twice at once has the same result as once
      await Promise.all([addWraps(sql, before, next), addWraps(sql, before, next)]);
      expect([await opens(before), await opens(next), await opens(third)]).to.deep.equal([
        true,
        true,
        refused,
      ]);
      // each vault opens the other's values: the data keys are the same
      const other = await openVault(sql, next);
      expect(
        running.open("parties", "row 2", other.seal("parties", "row 2", "抬头")).toString(),
      ).to.equal("抬头");
      expect(
        await dropOtherWraps(sql, before.slice(0, -1) + (before.endsWith("0") ? "1" : "0")).catch(
          (cause: Error) => cause.message,
        ),
      ).to.equal(refused);
      expect(await dropOtherWraps(sql, next)).to.equal(1);
      expect(await dropOtherWraps(sql, next)).to.equal(0);
      expect([await opens(before), await opens(next)]).to.deep.equal([refused, true]);
      // a running process has its data keys in memory
      expect(running.open("documents", "row 1", value).toString()).to.equal("一票");
      await close();
    });

    it("many processes that start at once on an empty database, under two master keys, create a single set of data keys", async () => {
      const [first, other] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
      const { sql, close } = await openDatabase();
      const started = await Promise.allSettled(
        [first, other, first, other, first, other].map((key) => openVault(sql, key)),
      );
      const won = started.flatMap((result) =>
        result.status === "fulfilled" ? [result.value] : [],
      );
      expect(won).to.have.length(3);
      const value = (won[0] as Vault).seal("answers", "row", "same");
      for (const vault of won)
        expect(vault.open("answers", "row", value).toString()).to.equal("same");
      await close();
    });

    it("blind indexes are the same for the same value, and differ by field, value and database", async () => {
      const { vault } = bench;
      expect(vault.blind("tax-id", "A").equals(vault.blind("tax-id", "A"))).to.equal(true);
      const other = await openDatabase();
      const theirs = await openVault(other.sql, randomBytes(32).toString("hex"));
      const others: [string, string, Vault][] = [
        ["tax-id", "B", vault],
        ["source-id", "A", vault],
        ["tax-i", "dA", vault],
        ["tax-id", "", vault],
        ["tax-id", "A", theirs],
      ];
      for (const [field, value, by] of others)
        expect(by.blind(field, value).equals(vault.blind("tax-id", "A"))).to.equal(false);
      await other.close();
    });

    it("a derived secret depends only on its context, not on other stored values", () => {
      const { vault } = bench;
      const derived = vault.derive("documents", "pickup/1");
      expect(derived).to.have.length(32);
      expect(derived.equals(vault.derive("documents", "pickup/1"))).to.equal(true);
      expect(derived.equals(vault.derive("documents", "pickup/2"))).to.equal(false);
      expect(derived.equals(vault.derive("parties", "pickup/1"))).to.equal(false);
    });
  });

  describe("in the keystore", () => {
    /** Every row of every table as text; bytea as hex. */
    async function dump(sql: Sql): Promise<string> {
      const tables = await sql<
        { name: string }[]
      >`select quote_ident(tablename) as name from pg_tables where schemaname = 'public' order by tablename`;
      const parts: string[] = [];
      for (const { name } of tables) {
        const rows = (await sql.unsafe(`select t::text as row from ${name} t`)) as unknown as {
          row: string;
        }[];
        parts.push(name, ...rows.map((row) => row.row));
      }
      return parts.join("\n").toLowerCase();
    }

    it("no private key, document or name can be read in the database after a day's work, while addresses can", async () => {
      const via = (await bench.process()).start();
      const issuer = await enrolled(bench, via, ["issuer"]);
      const employer = await enrolled(bench, via, ["employer"]);
      const who = await holder(bench);
      const [number] = (await sealed(bench, via, issuer, { holder: who.address })) as [string];
      await bench.done(...(await bench.queue(claimBy(who, employer, number))));
      const made = await bench.sql.begin((tx) => bench.keys.create(tx));
      const text = await dump(bench.sql);
      for (const visible of [who.address, made, issuer.account, number])
        expect(text).to.include(visible.toLowerCase());
      for (const wallet of [who, issuer.wallet, employer.wallet]) {
        const secret = Buffer.from(wallet.privateKey.slice(2), "hex");
        for (const form of [
          secret.toString("hex"),
          secret.toString("base64"),
          secret.toString("base64url"),
          BigInt(wallet.privateKey).toString(),
        ])
          expect(text.includes(form.toLowerCase())).to.equal(false);
      }
      for (const secret of ["188.68", "餐饮服务", issuer.name, issuer.taxId, employer.taxId]) {
        expect(text.includes(secret.toLowerCase()), secret).to.equal(false);
        expect(text.includes(Buffer.from(secret).toString("hex")), `${secret} as bytes`).to.equal(
          false,
        );
      }
      await via.end();
    });

    it("a sealed key moved to another address does not sign for that address", async () => {
      const [own, theirs] = [await holder(bench), await holder(bench)];
      await bench.sql`update keystore set sealed = (select sealed from keystore where address = ${theirs.address}) where address = ${own.address}`;
      const refused = await bench.keys
        .sign(own.address, `0x${"01".repeat(32)}`)
        .catch((cause: Error) => cause);
      expect(refused).to.be.instanceOf(Error);
    });

    it("its signatures have s in the lower half, and lead back to the address", async () => {
      const who = await holder(bench);
      const parities = new Set<boolean>();
      for (let i = 0; i < 64; i++) {
        const digest = `0x${randomBytes(32).toString("hex")}`;
        const signature = await bench.keys.sign(who.address, digest);
        if (!signature) throw new Error("the key is not there");
        const vs = BigInt(signature.vs);
        parities.add(vs >> 255n === 1n);
        expect(vs & (2n ** 255n - 1n)).to.satisfy((s: bigint) => s > 0n && s <= order / 2n);
        expect(recoverSigner(digest, signature.r + signature.vs.slice(2))).to.equal(who.address);
        expect(
          recoverSigner(`0x${"00".repeat(32)}`, signature.r + signature.vs.slice(2)),
        ).to.not.equal(who.address);
      }
      expect(parities.size, "both parities were seen").to.equal(2);
    });

    it("a signature with s in the upper half, or of another shape, has no signer", async () => {
      const wallet = Wallet.createRandom();
      const digest = `0x${"42".repeat(32)}`;
      const { r, s, v, serialized, compactSerialized } = wallet.signingKey.sign(digest);
      expect([
        recoverSigner(digest, serialized),
        recoverSigner(digest, compactSerialized),
      ]).to.deep.equal([wallet.address, wallet.address]);
      const upper = (order - BigInt(s)).toString(16).padStart(64, "0");
      for (const flipped of ["1b", "1c"])
        expect(recoverSigner(digest, `${r}${upper}${flipped}`)).to.equal(undefined);
      for (const shape of [
        "",
        "0x",
        serialized.slice(2),
        `${serialized.slice(0, -2)}05`,
        `${serialized}00`,
        `0x${"00".repeat(65)}`,
        `0x${"ff".repeat(65)}`,
        "nonsense",
        `${r}${"00".repeat(32)}${v === 27 ? "1b" : "1c"}`,
      ]) {
        expect(recoverSigner(digest, shape), shape).to.equal(undefined);
      }
    });

    it("it signs a transaction as its own key and no other, with zero gas price and for one chain", async () => {
      const who = await holder(bench);
      const fields = {
        chainId: 31_337,
        nonce: 7,
        to: bench.deployment.ledger,
        data: "0x1234",
        gasLimit: 100_000n,
      };
      const { raw, hash } = await bench.keys.signTransaction(who.address, fields);
      const read = Transaction.from(raw);
      expect([
        read.from,
        read.hash,
        read.nonce,
        read.gasPrice,
        read.value,
        read.chainId,
        read.data,
      ]).to.deep.equal([who.address, hash, 7, 0n, 0n, 31_337n, "0x1234"]);
      const own = await holder(bench, { own: true });
      expect(await bench.keys.sign(own.address, hash)).to.equal(undefined);
      expect(await bench.keys.holds(own.address)).to.equal(false);
      expect(
        (
          (await bench.keys
            .signTransaction(own.address, fields)
            .catch((cause: Error) => cause)) as Error
        ).message,
      ).to.match(/is not kept here/);
    });

    it("an account is the address of its key, and a key is accepted once", async () => {
      const wallet = Wallet.createRandom();
      expect(accountOfSecret(wallet.privateKey))
        .to.equal(wallet.address)
        .and.to.equal(computeAddress(wallet.signingKey.publicKey));
      expect(await bench.keys.take(bench.sql, wallet.privateKey)).to.equal(wallet.address);
      expect(await bench.keys.take(bench.sql, wallet.privateKey)).to.equal(wallet.address);
      expect(
        await bench.sql`select 1 from keystore where address = ${wallet.address}`,
      ).to.have.length(1);
    });
  });

  describe("of API keys", () => {
    it("are found by id and secret together, are not stored in plain text, and end with their revocation", async () => {
      const account = bench.bureau;
      await bench.sql`insert into parties (account, kind, sealed, created_by) values (${account}, 'bureau', ${Buffer.from("00", "hex")}, ${account}) on conflict do nothing`;
      const key = await createApiKey(bench.sql, { account, roles: ["bureau"], createdBy: account });
      const [id, secret] = key.split(".") as [string, string];
      expect(await findCaller(bench.sql, key)).to.deep.equal({
        keyId: id,
        account,
        roles: ["bureau"],
      });
      for (const wrong of [
        `${id}.${secret.slice(1)}A`,
        `${id}.`,
        id,
        `x.${secret}`,
        "",
        `${key}.x`,
        `${id} .${secret}`,
      ])
        expect(await findCaller(bench.sql, wrong), wrong).to.equal(undefined);
      const [row] = await bench.sql<
        { all: string }[]
      >`select api_keys::text as all from api_keys where id = ${id}`;
      expect(row?.all).to.not.include(secret).and.not.include(Buffer.from(secret).toString("hex"));
      await bench.sql`update api_keys set revoked_at = now() where id = ${id}`;
      expect(await findCaller(bench.sql, key)).to.equal(undefined);
    });
  });
});
