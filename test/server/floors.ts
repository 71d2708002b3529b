/** The rooms of the floors, and their diagram. */
import { expect } from "chai";
import { type Arrow, arrows, floorPicture, shortest } from "../../scripts/floor-picture.ts";
import { contentsOf, type Room, roomOf, rooms } from "../../scripts/floors.ts";

const named = (path: string) => rooms.find((room) => room.path === path) as Room;

describe("the rooms of the floors", () => {
  it("have the files under their folder, and the highest room has the folder's direct files", () => {
    expect(roomOf("server/kernel/log.ts")?.path).to.equal("server/kernel");
    expect(roomOf("server/features/use/claims.ts")?.path).to.equal("server/features/use");
    expect(roomOf("server/gateway.ts")?.path).to.equal("server");
    expect(roomOf("server/kernels/log.ts")).to.equal(undefined);
    expect(roomOf("server/features/claims.ts")).to.equal(undefined);
    expect(roomOf("console/src/app.tsx")).to.equal(undefined);
  });

  it("take their names from their files unless a name is set", () => {
    expect(contentsOf(named("server")).split(", ")).to.include.members(["gateway", "onepiao"]);
    expect(contentsOf({ path: "x", floor: 0, what: "words" })).to.equal("words");
  });
});

describe("the diagram of the floors", () => {
  const [ground, middle, high, top] = [0, 1, 2, 3].map((floor) => ({
    path: `r/${floor}`,
    floor,
  })) as [Room, Room, Room, Room];
  const neighbour: Room = { path: "r/beside", floor: 2 };
  const to = (from: Room, ...others: Room[]): Arrow[] => others.map((each) => ({ from, to: each }));

  it("leaves out an arrow if steps down lead to the same room", () => {
    const all = [
      ...to(top, high, middle, ground),
      ...to(high, middle, ground),
      ...to(middle, ground),
    ];
    expect(shortest(all)).to.have.deep.members([
      ...to(top, high),
      ...to(high, middle),
      ...to(middle, ground),
    ]);
    expect(shortest([...to(top, high, ground), ...to(middle, ground)])).to.have.length(3);
  });

  it("has every arrow up and across, cycles included", () => {
    const all = [
      ...to(top, high),
      ...to(high, neighbour, ground),
      ...to(neighbour, high, ground),
      ...to(ground, top),
    ];
    expect(shortest(all)).to.have.deep.members(all);
  });

  it("shows each room once, and has an arrow for each import", async function () {
    this.timeout(120_000);
    const all = await arrows();
    const picture = floorPicture(all);
    for (const { path } of rooms) {
      const name = path.replace(/^server\/(features\/)?/, "");
      expect(picture.split(`<b>${name}</b>`), path).to.have.length(2);
    }
    expect(all.length).to.be.greaterThan(rooms.length);
    const drawn = Map.groupBy(shortest(all), ({ from }) => from.path);
    const reached = (from: Room, seen = new Set<string>()): Set<string> => {
      for (const { to: next } of drawn.get(from.path) ?? [])
        if (!seen.has(next.path)) reached(next, seen.add(next.path));
      return seen;
    };
    for (const arrow of all)
      expect([...reached(arrow.from)], arrow.from.path).to.include(arrow.to.path);
  });
});
