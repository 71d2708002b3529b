// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITaxpayerRegistry} from "../../contracts/interfaces/ITaxpayerRegistry.sol";
import {Deployed} from "./support/Deployed.sol";
import {Typed} from "./support/Typed.sol";
import {vm} from "./support/Vm.sol";

/// Quota and segments by long random sequences, each step against the plain arithmetic and with the exact error.
/// This contract is the bureau.
contract RegistryTest {
    uint32 private constant PERIOD = 202_611;
    uint256 private constant KEY = uint256(keccak256("the issuer's key"));

    struct Allotted {
        uint256 first;
        uint256 length;
    }

    ITaxpayerRegistry private _registry;
    bytes32 private _domain;
    uint32 private _issuer;
    uint256 private _granted;
    uint256 private _drawn;
    uint64 private _counter;
    Allotted[] private _segments;
    mapping(uint32 series => uint256) private _used;

    function setUp() external {
        address authority = Deployed.authority(address(this));
        _registry = ITaxpayerRegistry(Deployed.registry(authority, "onepiao-test"));
        _domain = Typed.domain("onepiao-test", address(_registry));
        _issuer = _registry.enrol(vm.addr(KEY), keccak256("issuer"), 1);
    }

    /// hardhat-config: fuzz.runs = 96
    function testFuzz_quota_is_plain_arithmetic(uint256 seed, uint128[12] memory amounts) external {
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            // an amount at a boundary is the rule here, not the exception
            uint128 amount = roll % 8 < 5 ? _near(roll >> 8) : amounts[i];
            if (roll % 3 == 0) _set(amount);
            else if (roll % 3 == 1) _draw(amount);
            else _giveBack(amount);
            ITaxpayerRegistry.Quota memory q = _registry.quota(_issuer, PERIOD);
            require(q.granted == _granted && q.drawn == _drawn, "quota differs from the arithmetic");
            require(q.drawn <= q.granted, "more was drawn than was granted");
            require(_registry.counterOf(vm.addr(KEY)) == _counter, "the counter differs from the signed acts taken");
        }
    }

    /// hardhat-config: fuzz.runs = 96
    function testFuzz_segments_of_a_series_follow_one_another(uint256 seed, uint64[10] memory lengths) external {
        for (uint256 i = 0; i < lengths.length; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            uint32 series = roll % 2 == 0 ? 10_000 : 99_999;
            uint256 left = 10 ** 15 - 1 - _used[series];
            uint64 length = lengths[i];
            // a few numbers, half of what is left, all of it, one more
            if ((roll >> 8) % 6 < 3) length = uint64((roll >> 16) % 1_000);
            else if ((roll >> 8) % 6 == 3) length = uint64(left / 2);
            else if ((roll >> 8) % 6 == 4) length = uint64(left + (roll >> 16) % 2);
            _allot(series, length, left);
        }
        for (uint256 i = 0; i < _segments.length; ++i) {
            Allotted memory s = _segments[i];
            ITaxpayerRegistry.Segment memory held = _registry.segment(s.first);
            require(held.issuer == _issuer && held.length == s.length, "a segment differs from what was allotted");
            for (uint256 j = 0; j < i; ++j) {
                Allotted memory t = _segments[j];
                require(s.first >= t.first + t.length || t.first >= s.first + s.length, "two segments overlap");
            }
        }
    }

    function testFuzz_a_series_has_five_digits(uint32 series) external {
        if (series < 10_000 || series > 99_999) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.SeriesInvalid.selector, series));
            _registry.allotSegment(_issuer, series, 1);
            return;
        }
        uint256 first = _registry.allotSegment(_issuer, series, 1);
        require(first / 10 ** 15 == series && first % 10 ** 15 == 1, "a series starts at its first number");
    }

    function testFuzz_a_period_is_a_calendar_month(uint32 period) external {
        // most random numbers are no month: half of them are bent to the neighbourhood of one
        if (period % 2 == 0) period = (2019 + (period >> 8) % 8_000) * 100 + (period >> 4) % 15;
        bool month = period / 100 >= 2020 && period / 100 <= 9999 && period % 100 >= 1 && period % 100 <= 12;
        if (!month) vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.PeriodInvalid.selector, period));
        _registry.setQuota(_issuer, period, 7);
        require(_registry.quota(_issuer, period).granted == (month ? 7 : 0), "quota of a period differs");
    }

    function _set(uint128 amount) private {
        bool refused = amount < _drawn;
        if (refused) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.QuotaBelowDrawn.selector, amount, _drawn));
        }
        _registry.setQuota(_issuer, PERIOD, amount);
        if (!refused) _granted = amount;
    }

    function _draw(uint128 amount) private {
        bytes32 digest = Typed.digest(_domain, Typed.drawHash(_issuer, PERIOD, amount, _counter));
        bool refused = amount == 0 || _drawn + amount > _granted;
        if (amount == 0) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.AmountZero.selector));
        } else if (refused) {
            vm.expectRevert(
                abi.encodeWithSelector(ITaxpayerRegistry.QuotaExceeded.selector, _granted, _drawn, amount)
            );
        }
        _registry.draw(_issuer, PERIOD, amount, _counter, Typed.sign(KEY, digest));
        if (refused) return;
        _drawn += amount;
        ++_counter;
    }

    function _giveBack(uint128 amount) private {
        bytes32 digest = Typed.digest(_domain, Typed.giveBackHash(_issuer, PERIOD, amount, _counter));
        bool refused = amount == 0 || amount > _drawn;
        if (amount == 0) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.AmountZero.selector));
        } else if (refused) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.GiveBackExceedsDrawn.selector, _drawn, amount));
        }
        _registry.giveBack(_issuer, PERIOD, amount, _counter, Typed.sign(KEY, digest));
        if (refused) return;
        _drawn -= amount;
        ++_counter;
    }

    function _allot(uint32 series, uint64 length, uint256 left) private {
        bool refused = length == 0 || length > left;
        if (length == 0) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.SegmentLengthInvalid.selector, length));
        } else if (refused) {
            vm.expectRevert(abi.encodeWithSelector(ITaxpayerRegistry.SeriesExhausted.selector, series, left));
        }
        uint256 first = _registry.allotSegment(_issuer, series, length);
        if (refused) return;
        require(first == uint256(series) * 10 ** 15 + 1 + _used[series], "a segment leaves a gap in its series");
        _used[series] += length;
        _segments.push(Allotted(first, length));
    }

    /// What is granted, drawn or left, or one beside it.
    function _near(uint256 roll) private view returns (uint128) {
        uint256[4] memory marks = [_granted, _drawn, _granted - _drawn, type(uint128).max];
        uint256 mark = marks[roll % 4];
        uint256 step = (roll >> 8) % 3;
        if (step == 1 && mark > 0) return uint128(mark - 1);
        if (step == 2 && mark < type(uint128).max) return uint128(mark + 1);
        return uint128(mark);
    }
}
