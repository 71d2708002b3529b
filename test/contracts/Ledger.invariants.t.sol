// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Handler} from "./support/Handler.sol";
import {Versions} from "./support/Versions.sol";

/// What must hold whatever parties, thieves and relayers do in whatever order (design.md §5). The handler rolls and submits
/// their deeds, keeps a naive model beside the ledger, and compares after each; the invariants compare the whole.
/// The handler is this contract itself.
contract LedgerInvariantsTest is Handler, Versions {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// A run starts where invoices are already issued, claimed and reimbursed: from nothing, most of it would go by until then.
    function setUp() external {
        for (uint256 i = 0; i < 4; ++i) this.seal(i);
        for (uint256 i = 0; i < 8; ++i) this.claim(i);
        for (uint256 i = 0; i < 4; ++i) this.reimburse(i);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    /// Acts on invoices stand here more than once, so that a run is not mostly the bureau's office work.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(this), _deeds());
    }

    /// hardhat-config: invariant.runs = 48
    /// hardhat-config: invariant.depth = 80
    /// hardhat-config: invariant.failOnRevert = true
    function invariant_the_ledger_is_what_the_naive_model_says() external {
        _checkRecords();
        _checkStates();
        _checkNumbers();
        _checkSegments();
        _checkRegistry();
    }

    /// Each deed is tried on fixed seeds until it has succeeded (or, where that is the point, been refused): else the
    /// invariants above might hold of nothing. Short, because the runner traces a failing test step by step in memory.
    function test_the_handler_reaches_everything_that_it_is_to_disturb() external {
        _until(this.seal.selector, "lot sealed");
        _until(this.seal.selector, "lot refused");
        _until(this.replaySeal.selector, "replay of a lot");
        _until(this.transfer.selector, "transferred");
        _until(this.claim.selector, "claimed");
        _until(this.claim.selector, "act over several invoices");
        _until(this.reject.selector, "rejected");
        _until(this.reverse.selector, "reversed");
        _until(this.claim.selector, "claimed");
        _until(this.withdraw.selector, "withdrawn");
        _until(this.claim.selector, "claimed");
        _until(this.reverse.selector, "claimed reversed");
        _until(this.claim.selector, "claimed");
        _until(this.reimburse.selector, "reimbursed");
        _until(this.reimburse.selector, "alarm");
        _until(this.claim.selector, "alarm");
        _until(this.reimburse.selector, "act refused");
        _until(this.replayAct.selector, "replay of an act");
        _until(this.adjust.selector, "reimbursed adjusted");
        _until(this.reverse.selector, "reimbursed reversed");
        _until(this.admit.selector, "admitted");
        _until(this.admit.selector, "alarm");
        _until(this.enter.selector, "entered");
        _until(this.enter.selector, "entry revoked");
        _until(this.enter.selector, "entered");
        _until(this.adjust.selector, "entered adjusted");
        _until(this.reverse.selector, "entered reversed");
        _until(this.draw.selector, "quota drawn");
        _until(this.giveBack.selector, "quota given back");
        _until(this.rotateKey.selector, "key rotated by the bureau");
        _until(this.rotateKey.selector, "key rotated by the party");
        _until(this.replayOnRegistry.selector, "replay on the registry");
        _until(this.changeStanding.selector, "suspended");
        _until(this.changeStanding.selector, "reinstated");
        for (uint256 i = 0; !closed; ++i) this.close(i);
        _until(this.seal.selector, "ledger closed");
        this.invariant_the_ledger_is_what_the_naive_model_says();
    }

    function _until(bytes4 deed, string memory what) private {
        uint256 before = times[what];
        for (uint256 i = 0; i < 80; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(what, before, i)));
            (bool ok, bytes memory why) = address(this).call(abi.encodeWithSelector(deed, seed));
            if (!ok) _rethrow(why);
            if (times[what] > before) return;
        }
        revert(string.concat("never reached: ", what));
    }

    function _rethrow(bytes memory why) private pure {
        assembly ("memory-safe") {
            revert(add(why, 0x20), mload(why))
        }
    }

    function _deeds() private pure returns (bytes4[] memory deeds) {
        bytes4[26] memory list = [
            this.seal.selector, this.seal.selector, this.transfer.selector, this.claim.selector,
            this.claim.selector, this.reimburse.selector, this.reimburse.selector, this.reject.selector,
            this.withdraw.selector, this.reverse.selector, this.replayAct.selector, this.adjust.selector,
            this.enter.selector, this.enter.selector, this.admit.selector, this.admit.selector,
            this.replaySeal.selector, this.wait_.selector, this.changeStanding.selector,
            this.rotateKey.selector, this.setQuota.selector, this.draw.selector, this.giveBack.selector,
            this.allotSegment.selector, this.replayOnRegistry.selector, this.reverse.selector
        ];
        deeds = new bytes4[](list.length + 2);
        for (uint256 i = 0; i < list.length; ++i) deeds[i] = list[i];
        deeds[list.length] = this.close.selector;
        deeds[list.length + 1] = this.changeCapabilities.selector;
    }
}
