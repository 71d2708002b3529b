/** Every restricted function of both contracts, and the role that may call it. */
import { expect } from "chai";
import { id as keccakText } from "ethers";
import { AccessManager__factory } from "../../types/ethers-contracts/factories/@openzeppelin/contracts/access/manager/AccessManager__factory.ts";
import { type Deployed, deployed, ISSUER, keyOf, perTest, SERIES } from "./fixture.ts";

const PERIOD = 202_611;
const IDENTITY = keccakText("salted name and tax id");
const SUSPENDED = 2;

const world = async () => {
  const on = await deployed();
  await on.enrol("issuer", ISSUER);
  return { on };
};

describe("the bureau's roles", () => {
  const fixture = perTest(world);
  const other = keyOf("other").address;
  /**
   * Every restricted function, the role that may call it, and a call that the role would be
   * granted.
   */
  const restricted = [
    ["enrol", 1n, (r: Deployed["registry"]) => [r, r.enrol(other, IDENTITY, ISSUER)]],
    ["setCapabilities", 1n, (r: Deployed["registry"]) => [r, r.setCapabilities(1, 1)]],
    ["rotateKey", 1n, (r: Deployed["registry"]) => [r, r.rotateKey(other, other)]],
    ["allotSegment", 1n, (r: Deployed["registry"]) => [r, r.allotSegment(1, SERIES, 1)]],
    ["setStanding", 2n, (r: Deployed["registry"]) => [r, r.setStanding(1, SUSPENDED)]],
    ["setQuota", 2n, (r: Deployed["registry"]) => [r, r.setQuota(1, PERIOD, 1)]],
    ["setClosed", 3n, (_: Deployed["registry"], l: Deployed["ledger"]) => [l, l.setClosed(true)]],
  ] as const;

  it("the table has every restricted function: the rest of both contracts is open, signed or a view", async () => {
    const { on } = fixture();
    const open = ["rotateKeySigned", "draw", "giveBack", "seal", "act", "setAuthority"];
    const writing = [on.registry, on.ledger].flatMap((contract) => {
      const names: string[] = [];
      contract.interface.forEachFunction(
        (f) => void (f.stateMutability === "nonpayable" && names.push(f.name)),
      );
      return names;
    });
    expect([...new Set(writing)].filter((name) => !open.includes(name)).sort()).to.deep.equal(
      restricted.map(([name]) => name).sort(),
    );
  });

  for (const [name, role, call] of restricted) {
    it(`${name} is for role ${role} alone`, async () => {
      const { on } = fixture();
      const manager = AccessManager__factory.connect(on.deployment.accessManager, on.bureau);
      const signers = (await on.ethers.getSigners()) as unknown as (typeof on.bureau)[];
      for (const held of [undefined, 1n, 2n, 3n]) {
        const caller = signers[5 + Number(held ?? 0n)] as typeof on.bureau;
        const address = await caller.getAddress();
        if (held !== undefined) await manager.grantRole(held, address, 0);
        const [contract, sent] = call(on.registry.connect(caller), on.ledger.connect(caller));
        if (held === role) await expect(sent).to.not.revert(on.ethers);
        else
          await expect(sent)
            .to.be.revertedWithCustomError(
              contract as Deployed["registry"],
              "AccessManagedUnauthorized",
            )
            .withArgs(address);
      }
    });
  }

  it("a role that is taken away is gone", async () => {
    const { on } = fixture();
    const manager = AccessManager__factory.connect(on.deployment.accessManager, on.bureau);
    const bureau = await on.bureau.getAddress();
    await manager.revokeRole(2n, bureau);
    await expect(on.registry.setStanding(1, SUSPENDED))
      .to.be.revertedWithCustomError(on.registry, "AccessManagedUnauthorized")
      .withArgs(bureau);
    await on.registry.enrol(other, IDENTITY, ISSUER);
  });
});
