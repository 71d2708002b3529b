// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInvoiceLedger} from "../../../contracts/interfaces/IInvoiceLedger.sol";
import {ITaxpayerRegistry} from "../../../contracts/interfaces/ITaxpayerRegistry.sol";
import {Deployed} from "./Deployed.sol";
import {Typed} from "./Typed.sol";
import {vm} from "./Vm.sol";

/// A bureau, four taxpayers and three persons on fresh contracts; what the registry should hold about them, in plain mappings;
/// and the bureau's and the parties' acts on the registry, each of which checks that the registry takes it just when the
/// plain rules do. This contract is the bureau. Owns no invoice.
abstract contract Parties {
    uint8 internal constant ISSUER = 1;
    uint8 internal constant EMPLOYER = 2;
    string internal constant NETWORK = "onepiao-test";
    uint256 internal constant CLAIM_TERM = 30 days;

    struct Segment {
        uint256 first;
        uint256 length;
        uint32 issuer;
    }

    ITaxpayerRegistry internal immutable registry;
    IInvoiceLedger internal immutable ledger;
    bytes32 internal immutable registryDomain;
    bytes32 internal immutable ledgerDomain;

    /// Index 0 is nobody; 1 issues, 2 issues and employs, 3 and 4 employ.
    address[5] internal accountAt;
    uint8[5] internal capabilitiesAt;
    bool[5] internal suspendedAt;
    address[] internal accounts;
    mapping(address account => uint32) internal indexOf;
    mapping(address account => uint256) internal keyOf;
    mapping(address account => uint256) internal formerKeyOf;
    mapping(address account => uint64) internal counterOf;

    uint32[2] internal periods = [uint32(202_611), 202_612];
    mapping(uint32 index => mapping(uint32 period => uint256)) internal granted;
    mapping(uint32 index => mapping(uint32 period => uint256)) internal drawn;

    Segment[] internal segments;
    mapping(uint32 series => uint256) internal allotted;

    bytes[] private _taken;
    uint256 private _dice;
    mapping(string what => uint256) internal times;

    constructor() {
        address authority = Deployed.authority(address(this));
        registry = ITaxpayerRegistry(Deployed.registry(authority, NETWORK));
        ledger = IInvoiceLedger(Deployed.ledger(authority, address(registry), NETWORK, CLAIM_TERM));
        registryDomain = Typed.domain(NETWORK, address(registry));
        ledgerDomain = Typed.domain(NETWORK, address(ledger));
        uint8[5] memory capabilities = [0, ISSUER, ISSUER | EMPLOYER, EMPLOYER, EMPLOYER];
        for (uint256 i = 1; i <= 7; ++i) {
            uint256 key = uint256(keccak256(abi.encode("key of party", i)));
            address account = vm.addr(key);
            accounts.push(account);
            keyOf[account] = key;
            formerKeyOf[account] = key;
            if (i > 4) continue;
            indexOf[account] = registry.enrol(account, keccak256(abi.encode(i)), capabilities[i]);
            (accountAt[i], capabilitiesAt[i]) = (account, capabilities[i]);
        }
    }

    // ── acts on the registry ──────────────────────────────────────────────────────────────────────────────────────────

    function changeStanding(uint256 seed) external {
        _start(seed);
        uint32 index = _index();
        bool suspend = !_suspended(accountAt[index]) && _roll(3) == 0;
        registry.setStanding(index, suspend ? ITaxpayerRegistry.Standing.Suspended : ITaxpayerRegistry.Standing.Active);
        if (suspendedAt[index] != suspend) ++times[suspend ? "suspended" : "reinstated"];
        suspendedAt[index] = suspend;
    }

    function changeCapabilities(uint256 seed) external {
        _start(seed);
        uint32 index = _index();
        // mostly everything: a network on which nobody may do anything shows nothing
        uint8 capabilities = _roll(3) == 0 ? uint8(1 + _roll(3)) : ISSUER | EMPLOYER;
        registry.setCapabilities(index, capabilities);
        capabilitiesAt[index] = capabilities;
    }

    function rotateKey(uint256 seed) external {
        _start(seed);
        address account = _account();
        uint256 key = uint256(keccak256(abi.encode("rotated", _roll(type(uint256).max))));
        if (_roll(2) == 0) {
            registry.rotateKey(account, vm.addr(key));
            ++times["key rotated by the bureau"];
        } else {
            uint64 counter = _counter(account);
            uint256 by = _signingKey(account);
            bytes32 digest = Typed.digest(registryDomain, Typed.rotateHash(account, vm.addr(key), counter));
            bytes memory call = abi.encodeCall(
                registry.rotateKeySigned,
                (account, vm.addr(key), counter, Typed.sign(by, digest))
            );
            if (!_try(call, counter == counterOf[account] && by == keyOf[account], account)) return;
            ++times["key rotated by the party"];
        }
        (formerKeyOf[account], keyOf[account]) = (keyOf[account], key);
    }

    function setQuota(uint256 seed) external {
        _start(seed);
        (uint32 index, uint32 period) = (_index(), periods[_roll(2)]);
        uint128 amount = uint128(_roll(1_000));
        bytes memory call = abi.encodeCall(registry.setQuota, (index, period, amount));
        if (_try(call, amount >= drawn[index][period], address(0))) granted[index][period] = amount;
    }

    function draw(uint256 seed) external {
        _start(seed);
        (uint32 index, uint32 period) = (_index(), periods[_roll(2)]);
        address account = accountAt[index];
        (uint64 counter, uint256 by) = (_counter(account), _signingKey(account));
        uint128 amount = uint128(_roll(400));
        bytes32 digest = Typed.digest(registryDomain, Typed.drawHash(index, period, amount, counter));
        bool right = amount != 0 && counter == counterOf[account] && by == keyOf[account];
        bool may = _may(index, ISSUER) && drawn[index][period] + amount <= granted[index][period];
        bytes memory call = abi.encodeCall(registry.draw, (index, period, amount, counter, Typed.sign(by, digest)));
        if (!_try(call, right && may, account)) return;
        drawn[index][period] += amount;
        ++times["quota drawn"];
    }

    function giveBack(uint256 seed) external {
        _start(seed);
        (uint32 index, uint32 period) = (_index(), periods[_roll(2)]);
        address account = accountAt[index];
        (uint64 counter, uint256 by) = (_counter(account), _signingKey(account));
        uint128 amount = uint128(_roll(100));
        bytes32 digest = Typed.digest(registryDomain, Typed.giveBackHash(index, period, amount, counter));
        bool right = amount != 0 && counter == counterOf[account] && by == keyOf[account];
        bytes memory call = abi.encodeCall(registry.giveBack, (index, period, amount, counter, Typed.sign(by, digest)));
        if (!_try(call, right && amount <= drawn[index][period], account)) return;
        drawn[index][period] -= amount;
        ++times["quota given back"];
    }

    function allotSegment(uint256 seed) external {
        _start(seed);
        _allot(_index(), uint32(26_441 + _roll(2)), uint64(_roll(40)));
    }

    function replayOnRegistry(uint256 seed) external {
        _start(seed);
        if (_taken.length == 0) return;
        (bool ok, ) = address(registry).call(_taken[_roll(_taken.length)]);
        require(!ok, "the registry took a signed act twice");
        ++times["replay on the registry"];
    }

    // ── what the registry should hold ─────────────────────────────────────────────────────────────────────────────────

    function _checkRegistry() internal view {
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            (address key, bool suspended) = registry.holderOf(account);
            require(key == vm.addr(keyOf[account]), "an account's key differs from the model");
            require(suspended == _suspended(account), "an account's standing differs from the model");
            require(registry.indexOf(account) == indexOf[account], "an account's index differs from the model");
            require(registry.counterOf(account) == counterOf[account], "an account's counter differs from the model");
        }
        for (uint32 index = 1; index <= 4; ++index) {
            ITaxpayerRegistry.Taxpayer memory t = registry.taxpayer(index);
            require(t.account == accountAt[index] && t.key == vm.addr(keyOf[t.account]), "a taxpayer's key differs");
            require(t.capabilities == capabilitiesAt[index], "a taxpayer's capabilities differ from the model");
            for (uint256 p = 0; p < 2; ++p) {
                ITaxpayerRegistry.Quota memory q = registry.quota(index, periods[p]);
                require(q.drawn <= q.granted, "more was drawn than was granted");
                require(q.granted == granted[index][periods[p]], "granted differs from the model");
                require(q.drawn == drawn[index][periods[p]], "drawn differs from the model");
            }
        }
    }

    function _checkSegments() internal view {
        for (uint256 i = 0; i < segments.length; ++i) {
            Segment memory s = segments[i];
            ITaxpayerRegistry.Segment memory held = registry.segment(s.first);
            require(held.issuer == s.issuer && held.length == s.length, "a segment differs from the model");
            for (uint256 j = 0; j < i; ++j) {
                Segment memory t = segments[j];
                require(s.first >= t.first + t.length || t.first >= s.first + s.length, "two segments overlap");
            }
        }
    }

    // ── for the contracts built on this ───────────────────────────────────────────────────────────────────────────────

    function _allot(uint32 issuer, uint32 series, uint64 length) internal {
        bool may = capabilitiesAt[issuer] & ISSUER != 0 && length > 0;
        try registry.allotSegment(issuer, series, length) returns (uint256 first) {
            require(may, "a segment was allotted against the rules");
            require(first == uint256(series) * 10 ** 15 + allotted[series] + 1, "a segment leaves a gap in its series");
            allotted[series] += length;
            segments.push(Segment(first, length, issuer));
        } catch {
            require(!may, "a segment was refused against the rules");
        }
    }

    function _start(uint256 seed) internal {
        _dice = seed;
    }

    /// The next random number below `n`, out of the seed that the act was called with.
    function _roll(uint256 n) internal returns (uint256) {
        _dice = uint256(keccak256(abi.encode(_dice)));
        return _dice % n;
    }

    function _account() internal returns (address) {
        return accounts[_roll(accounts.length)];
    }

    function _index() internal returns (uint32) {
        return uint32(1 + _roll(4));
    }

    function _suspended(address account) internal view returns (bool) {
        return suspendedAt[indexOf[account]];
    }

    function _may(uint32 index, uint8 capability) internal view returns (bool) {
        return index > 0 && index < 5 && !suspendedAt[index] && capabilitiesAt[index] & capability != 0;
    }

    /// Mostly the key of the account; else the one that it had before, or someone else's.
    function _signingKey(address account) internal returns (uint256) {
        uint256 roll = _roll(12);
        if (roll == 0) return formerKeyOf[account];
        if (roll == 1) return keyOf[_account()];
        return keyOf[account];
    }

    function _counter(address account) private returns (uint64) {
        uint64 counter = counterOf[account];
        if (_roll(10) != 0) return counter;
        return counter > 0 && _roll(2) == 0 ? counter - 1 : counter + 1;
    }

    /// @param signer Whose counter the act uses up; zero when it is the bureau's.
    function _try(bytes memory call, bool expected, address signer) private returns (bool ok) {
        (ok, ) = address(registry).call(call);
        require(ok == expected, "the registry and the plain rules disagree");
        if (ok && signer != address(0)) {
            ++counterOf[signer];
            _taken.push(call);
        }
    }
}
