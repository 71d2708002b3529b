// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ITaxpayerRegistry, Signature} from "./interfaces/ITaxpayerRegistry.sol";
import {Messages} from "./libraries/Messages.sol";

/// @title The bureau's book of taxpayers
/// @notice See ITaxpayerRegistry, which is the specification.
/// @dev A taxpayer's key, standing and capabilities share one slot: sealing and reimbursing read that slot alone. A taxpayer's
/// key is there and nowhere else; a person's rotated key is in its account's slot.
contract TaxpayerRegistry is ITaxpayerRegistry, AccessManaged, EIP712 {
    uint8 internal constant ISSUER = 1;
    uint8 internal constant EMPLOYER = 2;
    /// 15-digit sequence behind the five digits of the series.
    uint256 internal constant SERIES_SIZE = 10 ** 15;

    struct Entry {
        address key;
        Standing standing;
        uint8 capabilities;
        address account;
        bytes32 identity;
    }

    /// `key` is zero until a person rotates its key, and always zero for a taxpayer's account.
    struct Account {
        address key;
        uint32 index;
        uint64 counter;
    }

    uint32 private _count;
    mapping(uint32 index => Entry) private _taxpayers;
    mapping(address account => Account) private _accounts;
    mapping(uint32 index => mapping(uint32 period => Quota)) private _quotas;
    mapping(uint256 first => Segment) private _segments;
    mapping(uint32 series => uint64) private _allotted;

    /// @param authority The AccessManager.
    /// @param network A name that no other network uses: it parts the signatures of two networks with equal chain ids.
    constructor(address authority, string memory network) AccessManaged(authority) EIP712(network, "1") {}

    /// @inheritdoc ITaxpayerRegistry
    function enrol(
        address account,
        bytes32 identity,
        uint8 capabilities
    ) external restricted returns (uint32 index) {
        if (account == address(0)) revert ZeroAddress();
        _checkCapabilities(capabilities);
        Account storage known = _accounts[account];
        if (known.index != 0) revert AccountEnrolled(account, known.index);
        index = ++_count;
        address key = known.key == address(0) ? account : known.key;
        _taxpayers[index] = Entry(key, Standing.Active, capabilities, account, identity);
        known.index = index;
        known.key = address(0);
        emit TaxpayerEnrolled(index, account, identity, capabilities);
    }

    /// @inheritdoc ITaxpayerRegistry
    function setStanding(uint32 index, Standing standing) external restricted {
        Entry storage entry = _entry(index);
        if (standing == Standing.None) revert StandingInvalid(uint8(standing));
        entry.standing = standing;
        emit StandingChanged(index, standing);
    }

    /// @inheritdoc ITaxpayerRegistry
    function setCapabilities(uint32 index, uint8 capabilities) external restricted {
        Entry storage entry = _entry(index);
        _checkCapabilities(capabilities);
        entry.capabilities = capabilities;
        emit CapabilitiesChanged(index, capabilities);
    }

    /// @inheritdoc ITaxpayerRegistry
    function rotateKey(address account, address key) external restricted {
        _rotate(account, key, _accounts[account].counter);
    }

    /// @inheritdoc ITaxpayerRegistry
    function rotateKeySigned(address account, address key, uint64 counter, Signature calldata signature) external {
        _useCounter(account, counter);
        _checkSigner(account, keccak256(abi.encode(Messages.ROTATE_KEY, account, key, counter)), signature);
        _rotate(account, key, counter + 1);
    }

    /// @inheritdoc ITaxpayerRegistry
    function setQuota(uint32 index, uint32 period, uint128 granted) external restricted {
        _entry(index);
        uint32 month = period % 100;
        if (period < 202_001 || period > 999_912 || month == 0 || month > 12) revert PeriodInvalid(period);
        Quota storage q = _quotas[index][period];
        if (granted < q.drawn) revert QuotaBelowDrawn(granted, q.drawn);
        q.granted = granted;
        emit QuotaSet(index, period, granted);
    }

    /// @inheritdoc ITaxpayerRegistry
    function draw(
        uint32 index,
        uint32 period,
        uint128 amount,
        uint64 counter,
        Signature calldata signature
    ) external {
        Entry storage entry = _entry(index);
        if (amount == 0) revert AmountZero();
        _useCounter(entry.account, counter);
        _checkSigner(entry.account, keccak256(abi.encode(Messages.DRAW, index, period, amount, counter)), signature);
        if (entry.standing == Standing.Suspended) revert TaxpayerSuspended(index);
        _checkIssuer(entry, index);
        Quota storage q = _quotas[index][period];
        // drawn never exceeds granted, so the difference cannot wrap
        if (amount > q.granted - q.drawn) revert QuotaExceeded(q.granted, q.drawn, amount);
        q.drawn += amount;
        emit QuotaDrawn(index, period, amount, q.drawn);
    }

    /// @inheritdoc ITaxpayerRegistry
    function giveBack(
        uint32 index,
        uint32 period,
        uint128 amount,
        uint64 counter,
        Signature calldata signature
    ) external {
        Entry storage entry = _entry(index);
        if (amount == 0) revert AmountZero();
        _useCounter(entry.account, counter);
        _checkSigner(entry.account, keccak256(abi.encode(Messages.GIVE_BACK, index, period, amount, counter)), signature);
        Quota storage q = _quotas[index][period];
        if (amount > q.drawn) revert GiveBackExceedsDrawn(q.drawn, amount);
        q.drawn -= amount;
        emit QuotaGivenBack(index, period, amount, q.drawn);
    }

    /// @inheritdoc ITaxpayerRegistry
    function allotSegment(uint32 issuer, uint32 series, uint64 length) external restricted returns (uint256 first) {
        Entry storage entry = _entry(issuer);
        _checkIssuer(entry, issuer);
        // YY RR C: five digits, the first not zero, so a number always has twenty
        if (series < 10_000 || series > 99_999) revert SeriesInvalid(series);
        if (length == 0) revert SegmentLengthInvalid(length);
        // sequences count from 1; the last is 10^15 - 1
        uint64 used = _allotted[series];
        uint64 left = uint64(SERIES_SIZE - 1) - used;
        if (length > left) revert SeriesExhausted(series, left);
        _allotted[series] = used + length;
        first = uint256(series) * SERIES_SIZE + used + 1;
        _segments[first] = Segment(issuer, length);
        emit SegmentAllotted(first, issuer, length);
    }

    /// @inheritdoc ITaxpayerRegistry
    function taxpayer(uint32 index) external view returns (Taxpayer memory) {
        Entry storage entry = _taxpayers[index];
        return Taxpayer(entry.account, entry.key, entry.standing, entry.capabilities, entry.identity);
    }

    /// @inheritdoc ITaxpayerRegistry
    function indexOf(address account) external view returns (uint32) {
        return _accounts[account].index;
    }

    /// @inheritdoc ITaxpayerRegistry
    function counterOf(address account) external view returns (uint64) {
        return _accounts[account].counter;
    }

    /// @inheritdoc ITaxpayerRegistry
    function quota(uint32 index, uint32 period) external view returns (Quota memory) {
        return _quotas[index][period];
    }

    /// @inheritdoc ITaxpayerRegistry
    function segment(uint256 first) external view returns (Segment memory) {
        return _segments[first];
    }

    /// @inheritdoc ITaxpayerRegistry
    function signerOf(uint32 index) external view returns (address key, uint8 powers) {
        return _signerOf(index);
    }

    /// @inheritdoc ITaxpayerRegistry
    function issuerOf(
        uint32 index,
        uint256 first
    ) external view returns (address key, uint8 powers, uint32 owner, uint64 length) {
        (key, powers) = _signerOf(index);
        Segment storage s = _segments[first];
        return (key, powers, s.issuer, s.length);
    }

    /// @inheritdoc ITaxpayerRegistry
    function holderOf(address account) external view returns (address key, bool suspended) {
        return _holderOf(account);
    }

    function _signerOf(uint32 index) private view returns (address key, uint8 powers) {
        Entry storage entry = _taxpayers[index];
        return (entry.key, entry.standing == Standing.Active ? entry.capabilities : 0);
    }

    function _holderOf(address account) private view returns (address key, bool suspended) {
        Account storage known = _accounts[account];
        uint32 index = known.index;
        if (index == 0) return (known.key == address(0) ? account : known.key, false);
        Entry storage entry = _taxpayers[index];
        return (entry.key, entry.standing == Standing.Suspended);
    }

    function _entry(uint32 index) private view returns (Entry storage entry) {
        entry = _taxpayers[index];
        if (entry.standing == Standing.None) revert TaxpayerUnknown(index);
    }

    function _checkIssuer(Entry storage entry, uint32 index) private view {
        if (entry.capabilities & ISSUER == 0) revert CapabilityMissing(index, ISSUER);
    }

    function _checkCapabilities(uint8 capabilities) private pure {
        if (capabilities == 0 || capabilities > (ISSUER | EMPLOYER)) revert CapabilitiesInvalid(capabilities);
    }

    /// @dev One counter for all signed acts of an account: each signature serves once, in the order they were made.
    function _useCounter(address account, uint64 counter) private {
        Account storage known = _accounts[account];
        if (known.counter != counter) revert CounterMismatch(known.counter, counter);
        known.counter = counter + 1;
    }

    function _checkSigner(address account, bytes32 structHash, Signature calldata signature) private view {
        (address expected, ) = _holderOf(account);
        address recovered = Messages.signer(_hashTypedDataV4(structHash), signature);
        if (recovered == address(0) || recovered != expected) revert SignerMismatch(expected, recovered);
    }

    function _rotate(address account, address key, uint64 counter) private {
        if (account == address(0) || key == address(0)) revert ZeroAddress();
        Account storage known = _accounts[account];
        if (known.index != 0) _taxpayers[known.index].key = key;
        else known.key = key;
        emit KeyRotated(account, key, counter);
    }
}
