// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// Contracts as they were built, by their artifacts: the bytecode that the gateway deploys. With `new`, the compiler would
/// compile each of them once more into each test that deploys it, which takes a minute.
library Deployed {
    /// AccessManager with this account as its administrator.
    function authority(address administrator) internal returns (address) {
        return _deploy("AccessManager", abi.encode(administrator));
    }

    function registry(address manager, string memory network) internal returns (address) {
        return _deploy("TaxpayerRegistry", abi.encode(manager, network));
    }

    /// `claimTerm`: in seconds.
    function ledger(
        address manager,
        address registryAddress,
        string memory network,
        uint256 claimTerm
    ) internal returns (address) {
        return _deploy("InvoiceLedger", abi.encode(manager, registryAddress, network, claimTerm));
    }

    function _deploy(string memory name, bytes memory arguments) private returns (address made) {
        bytes memory code = abi.encodePacked(vm.getCode(name), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        require(made != address(0), string.concat(name, " was not deployed"));
    }
}
